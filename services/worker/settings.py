"""Settings of the worker."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import Settings

STAGE_LIMIT_SECONDS = 30.0
"""An article of 1,000,000 ordinary characters needs about one second in its slowest stage (`make bench`)."""


class WorkerSettings(Settings):
    """The settings of the worker, in addition to the common ones."""

    stages: str = Field(default="", description="consecutive stages to run, comma-separated. Empty: all stages")
    vectors: bool = Field(default=True, description="compute the embedding (needs 32 MB more of memory-mapped weights)")
    stage_seconds: float = Field(
        default=STAGE_LIMIT_SECONDS,
        gt=0,
        description="processor time that one stage may use for one article. More makes it a dead letter `too_slow`",
    )

"""Settings of the worker."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import Settings


class WorkerSettings(Settings):
    """The settings of the worker, in addition to the common ones."""

    stages: str = Field(default="", description="consecutive stages to run, comma-separated. Empty: all stages")
    vectors: bool = Field(default=True, description="compute the embedding (needs 32 MB more of memory-mapped weights)")

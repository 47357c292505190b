"""Settings of the worker."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import Settings


class WorkerSettings(Settings):
    """What the worker needs beside the common settings."""

    stages: str = Field(default="", description="consecutive stages to run, comma-separated; all when empty")
    vectors: bool = Field(default=True, description="compute the embedding (32 MB more memory-mapped weights)")

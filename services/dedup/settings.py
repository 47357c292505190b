"""Settings of the lane."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import Settings


class DedupSettings(Settings):
    """What the lane needs beside the common settings."""

    window_days: float = Field(
        default=14.0, gt=0, description="how long an article can be found as an original or a story's member"
    )

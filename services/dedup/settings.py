"""Settings of dedup."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import Settings


class DedupSettings(Settings):
    """The settings of dedup, in addition to the common ones."""

    window_days: float = Field(
        default=14.0, gt=0, description="how long an article stays available as an original and as a member of a story"
    )

"""Settings of the archive."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import Settings


class ArchiveSettings(Settings):
    """The settings of the archive, in addition to the common ones. `archive` names the folder."""

    archive_file_bytes: int = Field(
        default=1024**3, ge=1024, description="size after which the archive begins a new WARC file"
    )

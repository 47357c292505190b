"""Notices that a feeds file or a folder of articles has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import awatch

from schemas.feed import Feed
from services.common.logging import get_logger

FILE_CHECK_SECONDS: Final = 1.0
DEBOUNCE_MS: Final = 500
RETRY_SECONDS: Final = 60.0
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FolderWatch:
    """Tells which feed's folder has changed, so that it is polled then and not only at its interval.

    `feeds` gives the feeds of this moment, `base` is the folder that their paths are relative to.
    """

    base: Path
    feeds: Callable[[], Iterable[Feed]]
    reading: ThreadPoolExecutor
    on_change: Callable[[str], None]

    async def run(self) -> None:
        """For ever; a folder that is made or added later is watched too."""
        while True:
            folders = await self._find_folders()
            if not folders:
                await asyncio.sleep(FILE_CHECK_SECONDS)
                continue
            changed = asyncio.Event()
            check = asyncio.create_task(self._until_folders_differ(folders, changed))
            try:
                async for changes in awatch(*folders, debounce=DEBOUNCE_MS, stop_event=changed):
                    paths = [Path(path) for _, path in changes]
                    for folder, feed_id in folders.items():
                        if any(path.is_relative_to(folder) for path in paths):
                            self.on_change(feed_id)
            except (OSError, RuntimeError) as error:
                log.warning("folders cannot be watched; they are read at their interval", error=str(error)[:200])
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                check.cancel()

    async def _find_folders(self) -> dict[Path, str]:
        """The folders, looked for in a thread: a mount may hang."""
        return await asyncio.get_running_loop().run_in_executor(self.reading, self._folders)

    def _folders(self) -> dict[Path, str]:
        paths = {
            (self.base / feed.path).absolute(): feed.id
            for feed in self.feeds()
            if feed.path is not None and not feed.paused
        }
        return {path: feed_id for path, feed_id in paths.items() if path.is_dir()}

    async def _until_folders_differ(self, folders: dict[Path, str], changed: asyncio.Event) -> None:
        while await self._find_folders() == folders:  # noqa: ASYNC110 - nobody tells when a folder is made
            await asyncio.sleep(FILE_CHECK_SECONDS)
        changed.set()


def file_mark(path: Path) -> tuple[int, int] | None:
    """What changes when a file is edited or replaced."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino

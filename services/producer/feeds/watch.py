"""Notices changes of the feeds file and of folders with articles."""

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
    """Reports feeds whose folder has changed, so that they are polled at once and not only at their interval.

    `feeds` returns the current feeds. Their paths are relative to the folder `base`.
    """

    base: Path
    feeds: Callable[[], Iterable[Feed]]
    reading: ThreadPoolExecutor
    on_change: Callable[[str], None]

    async def run(self) -> None:
        """Run until cancelled. Folders that are created or added later are watched too."""
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
                log.warning("folders cannot be watched; they are still read at their interval", error=str(error)[:200])
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                check.cancel()

    async def _find_folders(self) -> dict[Path, str]:
        """The folders of the feeds. The search runs in a thread because a mount may hang."""
        return await asyncio.get_running_loop().run_in_executor(self.reading, self._folders)

    def _folders(self) -> dict[Path, str]:
        paths = {
            (self.base / feed.path).absolute(): feed.id
            for feed in self.feeds()
            if feed.path is not None and not feed.paused
        }
        return {path: feed_id for path, feed_id in paths.items() if path.is_dir()}

    async def _until_folders_differ(self, folders: dict[Path, str], changed: asyncio.Event) -> None:
        while await self._find_folders() == folders:  # noqa: ASYNC110 - nothing reports the creation of a folder
            await asyncio.sleep(FILE_CHECK_SECONDS)
        changed.set()


def file_mark(path: Path) -> tuple[int, int] | None:
    """A value that changes when the file is edited or replaced."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino

"""Story updates, at most one a story and second: what is held back is not forgotten.

An article is acknowledged only when an update that shows it is confirmed. So updates that were held back when the
process died come again with their articles, and nothing has to be remembered of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

SECONDS = 1.0
TICK_SECONDS = 0.1

Send = Callable[[str], Awaitable[Awaitable[object] | None]]
"""Sends a story as it is now; the future of its delivery, or None where there is nothing to send."""


@dataclass(slots=True)
class StoryOutbox:
    """Updates that wait for their story's second to be over. `now` is a clock in seconds."""

    send: Send
    now: Callable[[], float] = time.monotonic
    _waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _sent_at: dict[str, float] = field(default_factory=dict)

    def add(self, story_ids: Iterable[str]) -> tuple[Awaitable[object], ...]:
        """A future for each story, done when an update from now on is delivered."""
        loop = asyncio.get_running_loop()
        return tuple(self._waiting.setdefault(story_id, loop.create_future()) for story_id in story_ids)

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self.flush()
            await asyncio.sleep(TICK_SECONDS)

    async def flush(self) -> None:
        """Send the stories whose last update is a second old; each one's future follows its delivery."""
        now = self.now()
        self._sent_at = {story_id: at for story_id, at in self._sent_at.items() if now - at < SECONDS}
        for story_id in [story_id for story_id in self._waiting if story_id not in self._sent_at]:
            waiting = self._waiting.pop(story_id)
            self._sent_at[story_id] = now
            try:
                delivery = await self.send(story_id)
            except Exception as error:  # noqa: BLE001 - whoever waits for the update has to hear of it
                _fail(waiting, error)
                continue
            if delivery is None:
                _finish(waiting)
            else:
                asyncio.ensure_future(delivery).add_done_callback(partial(_pass_on, waiting))


def _pass_on(waiting: asyncio.Future[None], done: asyncio.Future[object]) -> None:
    error = asyncio.CancelledError() if done.cancelled() else done.exception()
    if error is None:
        _finish(waiting)
    else:
        _fail(waiting, error)


def _finish(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _fail(waiting: asyncio.Future[None], error: BaseException) -> None:
    if not waiting.done():
        waiting.set_exception(error if isinstance(error, Exception) else ConnectionError(str(error)))

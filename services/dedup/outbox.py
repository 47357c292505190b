"""Sends story updates, at most one per story and second. Later updates of a story wait for the next second.

An article is acknowledged only after a story update that includes it is confirmed. If the process dies, the articles of
the waiting updates are redelivered, so the waiting updates need not be stored.
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
"""Sends the current state of a story. Returns the future of the delivery, or None if there is nothing to send."""


@dataclass(slots=True)
class StoryOutbox:
    """Updates that wait until a second has passed since the last update of their story. `now` is a clock in seconds."""

    send: Send
    now: Callable[[], float] = time.monotonic
    _waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _sent_at: dict[str, float] = field(default_factory=dict)

    def add(self, story_ids: Iterable[str]) -> tuple[Awaitable[object], ...]:
        """A future for each story. It is done when an update that is sent after this call is delivered."""
        loop = asyncio.get_running_loop()
        return tuple(self._waiting.setdefault(story_id, loop.create_future()) for story_id in story_ids)

    async def run(self) -> None:
        """Send due updates until the task is cancelled."""
        while True:
            await self.flush()
            await asyncio.sleep(TICK_SECONDS)

    async def flush(self) -> None:
        """Send the stories whose last update is at least a second old. Each future ends as the delivery ends."""
        now = self.now()
        self._sent_at = {story_id: at for story_id, at in self._sent_at.items() if now - at < SECONDS}
        for story_id in [story_id for story_id in self._waiting if story_id not in self._sent_at]:
            waiting = self._waiting.pop(story_id)
            self._sent_at[story_id] = now
            try:
                delivery = await self.send(story_id)
            except Exception as error:  # noqa: BLE001 - the waiting handler must get the error
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

"""The network between clients and one server: it passes bytes on, and can be slow, cut connections or be silent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.loopback import LoopbackServer

PIECE_BYTES = 2**16


class Wire(LoopbackServer):
    """Passes every connection on to `target_port` of the loopback. `delay` and `cuts_every` may change at any time.

    `delay` are the seconds that each piece of bytes takes, in each direction. Of the pieces of the answers, each
    `cuts_every`th ends its connection after its first half; 0 cuts none.
    """

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self.delay = 0.0
        self.cuts_every = 0
        self.counts: Counter[str] = Counter()
        self._target = target_port
        self._speaks = asyncio.Event()
        self._speaks.set()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """No byte comes through inside the block, and no connection ends, as behind a router that drops all packets.

        What was sent meanwhile arrives afterwards. A new connection is accepted even then, because the kernel does
        that, and it is silent too.
        """
        self._loop.call_soon_threadsafe(self._speaks.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._speaks.set)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in both directions until one side ends the connection, or it is cut."""
        self.counts["connections"] += 1
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        pumps = {
            asyncio.create_task(self._pump(reader, server_writer, is_answer=False)),
            asyncio.create_task(self._pump(server_reader, writer, is_answer=True)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server_writer.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while piece := await source.read(PIECE_BYTES):
            if self.delay:
                self.counts["delayed"] += 1
                await asyncio.sleep(self.delay)
            self.counts["held back"] += not self._speaks.is_set()
            await self._speaks.wait()
            is_cut = is_answer and self._is_cut()
            target.write(piece[: len(piece) // 2] if is_cut else piece)
            await target.drain()
            if is_cut:
                return

    def _is_cut(self) -> bool:
        if not self.cuts_every:
            return False
        self.counts["answers"] += 1
        is_cut = self.counts["answers"] % self.cuts_every == 0
        self.counts["cut"] += is_cut
        return is_cut

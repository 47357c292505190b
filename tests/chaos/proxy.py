"""A proxy before Elasticsearch that gives bad answers to bulk requests, in turns with good ones."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.bad_answers import ANSWERS, DELAYS, JSON_TYPE
from tests.chaos.loopback import LoopbackServer


@dataclass(slots=True)
class Turns:
    """Whose turn it is. Each kind has a turn, and after it good answers have one.

    A turn ends with the first request after `seconds`, so that every kind has at least one request.
    """

    kinds: Sequence[str]
    seconds: float
    now: Callable[[], float] = time.monotonic
    finished: int = 0
    _is_good: bool = False
    _requests: int = 0
    _began: float = 0.0

    def take(self) -> str | None:
        """The kind for this request, or None for a good answer."""
        if self._requests and self.now() - self._began >= self.seconds:
            self.finished += self._is_good
            self._is_good = not self._is_good
            self._requests = 0
        if not self._requests:
            self._began = self.now()
        self._requests += 1
        return None if self._is_good else self.kinds[self.finished % len(self.kinds)]

    @property
    def is_done(self) -> bool:
        """Whether every kind has had its turn."""
        return self.finished >= len(self.kinds)


class Proxy(LoopbackServer):
    """Passes requests on, and spoils the answers to bulk requests in turns."""

    def __init__(self, target_port: int, kinds: Sequence[str], seconds: float) -> None:
        super().__init__()
        self.given: Counter[str] = Counter()
        self.turns = Turns(kinds, seconds)
        self._target = target_port

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Exchange requests and answers until the connection ends."""
        while await self._exchange(reader, writer):
            pass

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. Returns whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        kind = self.turns.take() if b"/_bulk" in head.partition(b"\r\n")[0] else None
        if kind is not None:
            self.given[kind] += 1
            answer = ANSWERS[kind]
            if answer.status:
                await _send(writer, answer.status, answer.body.encode(), answer.content_type)
                return True
            if kind == "reset":
                return False
        answer_head, answer_body = await self._ask(head, body)
        return await self._pass_on(writer, kind, answer_head, answer_body)

    async def _ask(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Ask Elasticsearch, and return head and body of its answer."""
        lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
        await writer.drain()
        answer_head, _, answer_body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return _with_length(answer_head, answer_body)

    async def _pass_on(self, writer: asyncio.StreamWriter, kind: str | None, head: bytes, body: bytes) -> bool:
        """Send the answer, spoiled as the kind says. Returns whether the connection goes on."""
        if kind == "lost_answer":
            return False
        if kind in DELAYS:
            await asyncio.sleep(DELAYS[kind])
        if kind == "cut":
            body = body[: len(body) // 2]
        item = ANSWERS[kind].item if kind else None
        if item is not None:
            await _send(writer, 200, _with_bad_items(body, *item), JSON_TYPE)
            return True
        pieces = 20 if kind == "drip" else 1
        writer.write(head)
        for piece in _split(body, pieces):
            writer.write(piece)
            await writer.drain()
            if pieces > 1:
                await asyncio.sleep(0.2)
        return False


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _with_length(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """An answer with its length in its head, and not in chunks."""
    lines = head.split(b"\r\n")
    if any(line.lower().replace(b" ", b"") == b"transfer-encoding:chunked" for line in lines):
        body = _join_chunks(body)
    framing = (b"transfer-encoding:", b"content-length:", b"connection:")
    kept = [line for line in lines if not line.lower().startswith(framing)]
    length = f"content-length: {len(body)}".encode()
    return b"\r\n".join([*kept, length, b"connection: close"]) + b"\r\n\r\n", body


def _join_chunks(body: bytes) -> bytes:
    """The body of an answer that came in chunks (RFC 9112, 7.1)."""
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            break
        joined += rest[:length]
        body = rest[length + 2 :]
    return joined


async def _send(writer: asyncio.StreamWriter, status: int, body: bytes, content_type: str) -> None:
    head = f"HTTP/1.1 {status} X\r\nX-elastic-product: Elasticsearch\r\ncontent-type: {content_type}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


def _with_bad_items(body: bytes, status: int, kind: str, reason: str) -> bytes:
    """Every third document of a bulk answer failed."""
    answer: dict[str, Any] = json.loads(body)
    for item in answer.get("items", [])[::3]:
        error = {"type": kind, "reason": reason}
        item["index"] = {**item["index"], "status": status, "error": error}
    return json.dumps(answer | {"errors": True}).encode()


def _split(body: bytes, pieces: int) -> list[bytes]:
    size = max(1, -(-len(body) // pieces))
    return [body[start : start + size] for start in range(0, len(body), size)]

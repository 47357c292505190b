"""Makes, reads, replays and drops dead letters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.dead_letter import DeadLetter, ErrorClass
from schemas.topics import DEAD, STORIES
from services import __version__
from services.common.logging import get_logger
from services.common.messages import (
    ATTEMPTS_HEADER,
    REVISION_HEADER,
    Outgoing,
    RejectedMessage,
    decode,
    encode,
    header_int,
)
from services.common.metrics import DEAD_LETTERS
from services.common.producer import SafeProducer
from services.common.records import read_record, read_records
from services.common.settings import Settings

LETTER_MARGIN = 4096
"""Bytes of a record besides its value: key, headers, and the frame of its batch."""
STATED_REVISION = re.compile(rb'"revision"\s*:\s*(\d{1,15})\b')
PREFIX_BYTES = 64 * 1024
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it was stored in Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    def header_map(self) -> dict[str, bytes]:
        """The headers by name. If a name occurs several times, the last one counts."""
        return dict(self.headers)


def to_received(record: Any, timestamp_ms: int | None) -> Received:
    """Convert a record of kafka-python or a message of faust. The two differ in their timestamps and their headers."""
    headers: Any = record.headers or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Received(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=timestamp_ms,
        key=record.key,
        value=record.value,
        headers=tuple((name, bytes(value or b"")) for name, value in pairs),
    )


def letter_id(topic: str, partition: int, offset: int) -> str:
    """The key of a letter. If the same message is delivered again, it gives the same letter."""
    return f"{topic}/{partition}/{offset}"


def make_letter(received: Received, rejected: RejectedMessage, service: str, now: datetime | None = None) -> DeadLetter:
    """The dead letter of a message that a service rejected."""
    failed_at = now or datetime.now(UTC)
    headers = received.header_map()
    sent_at = None
    if received.timestamp_ms is not None and received.timestamp_ms >= 0:
        sent_at = datetime.fromtimestamp(received.timestamp_ms / 1000, UTC)
    return DeadLetter(
        letter_id=letter_id(received.topic, received.partition, received.offset),
        source_topic=received.topic,
        source_partition=received.partition,
        source_offset=received.offset,
        source_timestamp=sent_at,
        original_key=received.key,
        original_value=received.value,
        original_headers=received.headers,
        revision=header_int(headers, REVISION_HEADER),
        service=service,
        stage=rejected.stage,
        error_class=rejected.error_class,
        error=rejected.reason,
        attempts=(header_int(headers, ATTEMPTS_HEADER) or 0) + 1,
        code_version=__version__,
        first_failed_at=failed_at,
        last_failed_at=failed_at,
    )


def bury(settings: Settings, letter: DeadLetter) -> Outgoing:
    """Count and log a dead letter, and return the message that puts it onto its topic."""
    DEAD_LETTERS.labels(letter.service, letter.stage, letter.error_class).inc()
    log.warning(
        "dead letter",
        stage=letter.stage,
        error=letter.error,
        topic=letter.source_topic,
        partition=letter.source_partition,
        offset=letter.source_offset,
    )
    value = encode(letter)
    if len(value) > settings.max_request_bytes - LETTER_MARGIN:
        value = encode(shorten(letter))
    return Outgoing(settings.topic(DEAD), letter.letter_id.encode(), value)


def shorten(letter: DeadLetter) -> DeadLetter:
    """The letter with a prefix of a message that does not fit. Its place and hash find the whole message in Kafka."""
    original = letter.original_value or b""
    kept = {
        "original_value": original[:PREFIX_BYTES],
        "original_key": (letter.original_key or b"")[:PREFIX_BYTES] if letter.original_key is not None else None,
        "original_headers": tuple((name[:200], value[:1024]) for name, value in letter.original_headers[:50]),
        "original_bytes": len(original),
        "original_sha256": hashlib.sha256(original).hexdigest(),
    }
    return letter.model_copy(update=kept)


def read_letters(settings: Settings) -> Iterator[DeadLetter]:
    """Yield every live letter, oldest first: the last state of each key. Replayed and dropped letters are left out."""
    letters: dict[str, DeadLetter] = {}
    for record in read_records(settings, DEAD):
        key = (record.key or b"").decode("utf8", "replace")
        previous = letters.pop(key, None)
        if record.value is not None:
            letters[key] = _to_letter(key, record, previous)
    yield from letters.values()


def _to_letter(key: str, record: Any, previous: DeadLetter | None) -> DeadLetter:
    """The letter in a record. Any other record is turned into a letter, so that a person can see it and drop it."""
    try:
        letter = decode(DeadLetter, record.value)
    except RejectedMessage as rejected:
        received = to_received(record, record.timestamp)
        foreign = RejectedMessage("unreadable letter", ErrorClass.INVALID_MESSAGE, rejected.reason)
        at = datetime.fromtimestamp(max(0, record.timestamp or 0) / 1000, UTC)
        letter = make_letter(received, foreign, "unknown", at)
        return letter.model_copy(update={"letter_id": key[:1024] or letter.letter_id})
    if previous is not None:
        letter = letter.model_copy(update={"first_failed_at": previous.first_failed_at})
    return letter


def stated_revision(letter: DeadLetter) -> int:
    """The revision in the message of a letter, also when the message is no record. 0 when there is none."""
    found = STATED_REVISION.search(letter.original_value or b"")
    return int(found[1]) if found else 0


def dead_articles(settings: Settings, letters: Iterable[DeadLetter]) -> Iterator[tuple[str, int]]:
    """Article id and revision of the letters that hold an article, not a story."""
    stories = settings.topic(STORIES)
    return _covered_by(letter for letter in letters if letter.source_topic != stories)


def dead_stories(settings: Settings, letters: Iterable[DeadLetter]) -> Iterator[tuple[str, int]]:
    """Story id and revision of the letters that hold a story."""
    stories = settings.topic(STORIES)
    return _covered_by(letter for letter in letters if letter.source_topic == stories)


def _covered_by(letters: Iterable[DeadLetter]) -> Iterator[tuple[str, int]]:
    """The key and the revision that each letter covers: that of its header, or what its message states, or none."""
    for letter in letters:
        if letter.original_key is not None:
            yield letter.original_key.decode("utf8", "replace"), letter.revision or stated_revision(letter)


class ShortenedLetterError(Exception):
    """The whole message of a letter is not in Kafka any more."""


def whole_message(settings: Settings, letter: DeadLetter) -> bytes | None:
    """The original message. It is read at its place when the letter holds its beginning only.

    ShortenedLetterError when it is gone.
    """
    if letter.original_sha256 is None:
        return letter.original_value
    found = read_record(settings, letter.source_topic, letter.source_partition, letter.source_offset)
    if found is None or hashlib.sha256(found.value or b"").hexdigest() != letter.original_sha256:
        place = f"{letter.source_topic}/{letter.source_partition}/{letter.source_offset}"
        raise ShortenedLetterError(f"the whole message of {letter.letter_id} is not at {place} any more")
    value: bytes | None = found.value
    return value


def replay_letter(producer: SafeProducer, settings: Settings, letter: DeadLetter) -> None:
    """Send the original to its topic with its key, confirmed, and only then mark the letter as done.

    ShortenedLetterError when the letter holds only the beginning of a message that is gone.
    """
    original = whole_message(settings, letter)
    headers = [pair for pair in letter.original_headers if pair[0] != ATTEMPTS_HEADER]
    headers.append((ATTEMPTS_HEADER, str(letter.attempts).encode()))
    producer.send(letter.source_topic, letter.original_key, original, headers)
    producer.flush()
    drop_letter(producer, settings, letter)


def drop_letter(producer: SafeProducer, settings: Settings, letter: DeadLetter) -> None:
    """Mark a letter as done: send a tombstone under its key."""
    producer.send(settings.topic(DEAD), letter.letter_id.encode(), None)
    producer.flush()

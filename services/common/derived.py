"""Fields of an article that follow from other fields. The worker sets them, and the upgrade of old records too."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from schemas.article import DateSource, DeclaredDate, EventSource, RemovedLine

HEADLINE_CHARACTERS = 200
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No article that a collector meets was published before."""
FUTURE_TOLERANCE = timedelta(days=2)
"""A stated date may be so much later than the fetch: time zones, and papers that are dated ahead."""
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]|[^\W_]+(?:['’][^\W_]+)*", re.UNICODE)
"""Words, or single characters in scripts without spaces."""
SENTENCE_END = re.compile(r"[.!?…][\"'”’»)]*\s|[。！？।]")
DATE_KINDS = ("published", "issued", "created")
"""Kinds of declared dates that say when an article came out, best first. Others are used after these."""


def headline_of(title: str | None, text: str) -> str:
    """The title, or the first sentence of the text. It is cut after a word, and never empty."""
    words = " ".join((title or "").split())
    if not words:
        line = next((line for line in text.split("\n") if line.strip()), "")
        words = " ".join(line[: 10 * HEADLINE_CHARACTERS].split())
        end = SENTENCE_END.search(words)
        words = words[: end.end()].rstrip() if end else words
    return cut(words, HEADLINE_CHARACTERS) or "…"


def cut(words: str, limit: int) -> str:
    """At most `limit` characters. What is longer ends after a word, with an ellipsis."""
    if len(words) <= limit:
        return words
    head = words[: limit - 1]
    start, space, _ = head.rpartition(" ")
    return f"{start if space and len(start) > limit // 2 else head}…"


def event_time(
    published_at: datetime | None, source: DateSource, declared: Iterable[DeclaredDate], fetched_at: datetime
) -> tuple[datetime, EventSource]:
    """The time to sort an article by, and where it comes from.

    A declared date does not count if it is implausible: long ago, or after the fetch.
    """
    if published_at is not None:
        return published_at, EventSource.FEED if source is DateSource.FEED else EventSource.STATED
    dates = [date for date in declared if EARLIEST <= date.at <= fetched_at]
    if dates:
        kinds = {kind: place for place, kind in enumerate(DATE_KINDS)}
        best = min(dates, key=lambda date: kinds.get(date.kind, len(kinds)))
        return best.at, EventSource.DECLARED
    return fetched_at, EventSource.FETCHED


def count_words(text: str) -> int:
    """The number of words, or of characters in scripts without spaces."""
    return len(WORD.findall(text))


def content_sha256(content: str) -> str:
    """The hash by which raw content is known again, as in `RawPlace`."""
    return hashlib.sha256(content.encode("utf8", "surrogatepass")).hexdigest()


def lines_in_order(text: str, removed: Iterable[RemovedLine]) -> Iterator[tuple[str, RemovedLine | None]]:
    """Every line as it stood before normalizing, with what is known of it if it was removed."""
    waiting = iter(removed)
    following = next(waiting, None)
    for number, line in enumerate(text.split("\n")):
        while following is not None and following.before <= number:
            yield following.text, following
            following = next(waiting, None)
        yield line, None
    while following is not None:
        yield following.text, following
        following = next(waiting, None)

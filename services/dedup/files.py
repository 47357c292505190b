"""Grouping of JSON lines, without Kafka."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from schemas.article import EnrichedArticle
from schemas.dead_letter import ErrorClass
from services.common.messages import RejectedMessage, decode, encode
from services.dedup.grouping import Grouper
from services.dedup.settings import DedupSettings


def make_grouper() -> Callable[[bytes, int], bytes]:
    """A function from an enriched line and its number to a `GroupedArticle` line; RejectedMessage for a bad one."""
    grouper = Grouper(timedelta(days=DedupSettings().window_days))

    def convert(line: bytes, number: int) -> bytes:
        result = grouper.take(decode(EnrichedArticle, line), number)
        if result.article is None:
            reason = "an older revision of an article that came before"
            raise RejectedMessage("grouping", ErrorClass.INVALID_MESSAGE, reason)
        return encode(result.article)

    return convert

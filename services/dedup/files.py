"""Grouping of JSON lines, without Kafka."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import Self

from schemas.article import EnrichedArticle, GroupedArticle
from schemas.dead_letter import ErrorClass
from services.common.messages import RejectedMessage, decode, encode
from services.dedup.grouping import Grouper
from services.dedup.settings import DedupSettings


class FileGrouper:
    """Takes enriched lines and gives back grouped ones when all were seen: a later one may change earlier decisions.

    Grouped articles wait in a temporary file, not in memory.
    """

    def __init__(self) -> None:
        settings = DedupSettings()
        self._grouper = Grouper(timedelta(days=settings.window_days), settings.grouping_version)
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._places: dict[str, tuple[int, int]] = {}
        self._order: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._spool.close()

    def take(self, line: bytes) -> None:
        """Decide on one line; RejectedMessage for a bad one."""
        result = self._grouper.take(decode(EnrichedArticle, line))
        if result.article is None:
            reason = "an older revision of an article that came before"
            raise RejectedMessage("grouping", ErrorClass.INVALID_MESSAGE, reason)
        self._order.append(result.article.article_id)
        for article in (result.article, *result.moved):
            self._keep(article)

    def results(self) -> Iterator[bytes]:
        """A `GroupedArticle` line for each line taken, in their order, under the last decision."""
        for article_id in self._order:
            start, length = self._places[article_id]
            self._spool.seek(start)
            yield self._spool.read(length)

    def _keep(self, article: GroupedArticle) -> None:
        data = encode(article)
        self._places[article.article_id] = (self._spool.seek(0, 2), len(data))
        self._spool.write(data)

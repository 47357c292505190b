"""Groups articles in JSON lines without Kafka."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from schemas.article import EnrichedArticle, GroupedArticle
from schemas.dead_letter import ErrorClass
from services.common.messages import RejectedMessage, decode, encode, encode_whole
from services.dedup.articles import GroupedPart, part_of
from services.dedup.grouping import Grouper
from services.dedup.settings import DedupSettings


class FileGrouper:
    """Takes lines with enriched articles, and returns grouped ones when all lines were taken.

    It waits until then because a later article may change earlier decisions. The grouped articles wait in a temporary
    file and not in memory.
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
        """Decide on one line. Raises RejectedMessage if the line is bad."""
        result = self._grouper.take(part_of(decode(EnrichedArticle, line)), now=datetime.now(UTC))
        if result.article is None:
            reason = "an older revision of an article that came before"
            raise RejectedMessage("grouping", ErrorClass.INVALID_MESSAGE, reason)
        self._order.append(result.article.article_id)
        for article in (result.article, *result.moved):
            self._keep(article)

    def results(self) -> Iterator[bytes]:
        """A `GroupedArticle` line with the last decision for each line that was taken, in the same order."""
        for article_id in self._order:
            start, length = self._places[article_id]
            self._spool.seek(start)
            yield self._spool.read(length)

    def _keep(self, article: GroupedPart) -> None:
        data = encode_whole(decode(GroupedArticle, encode(article)))
        self._places[article.article_id] = (self._spool.seek(0, 2), len(data))
        self._spool.write(data)

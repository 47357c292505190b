"""The lane's rows in a faust table, whose changelog writes can be waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any

import faust
from faust.tables.table import Table

from schemas.topics import DAY_MS, ENRICHED
from services.common.messages import decode, encode
from services.common.settings import Settings
from services.dedup.rows import Row

TABLE = "rows"


class ConfirmedTable(Table):  # type: ignore[type-arg]  # faust's Table is generic in stubs only
    """A table that keeps the futures of its changelog records: faust drops them, and with them the failed ones."""

    def __post_init__(self) -> None:
        self.unconfirmed: list[Awaitable[object]] = []

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        """Send the record and keep its future."""
        future = super().send_changelog(*args, **kwargs)
        self.unconfirmed.append(future)
        return future

    def take_unconfirmed(self) -> tuple[Awaitable[object], ...]:
        """The futures since the last call."""
        futures, self.unconfirmed = tuple(self.unconfirmed), []
        return futures


class RowStore:
    """Rows by article id; writes count once their futures are done."""

    def __init__(self, app: faust.App, settings: Settings) -> None:
        self._table = ConfirmedTable(
            app,
            name=TABLE,
            key_type=bytes,
            value_type=bytes,
            partitions=ENRICHED.partitions,
            options={"driver": "rocksdict"},
            extra_topic_configs={
                "max.message.bytes": settings.max_request_bytes,
                "delete.retention.ms": DAY_MS,
                "cleanup.policy": "compact",
            },
        )
        app.tables.add(self._table)

    def write(self, row: Row) -> None:
        """Set the article's row."""
        self._table[row.article_id.encode()] = encode(row)

    def delete(self, row: Row) -> None:
        """Remove the article's row."""
        self._table.pop(row.article_id.encode(), None)

    def take_unconfirmed(self) -> tuple[Awaitable[object], ...]:
        """The futures of the changelog records since the last call."""
        return self._table.take_unconfirmed()

    def rows(self) -> Iterator[Row]:
        """Every row that is there."""
        for value in self._table.values():
            yield decode(Row, value)

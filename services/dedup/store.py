"""The records of dedup in faust tables. A caller can wait for their changelog writes."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Iterator, MutableMapping
from typing import Any, TypeVar

import faust
from faust.tables.table import Table
from pydantic import BaseModel

from schemas.topics import BROKER_TIME, DAY_MS, ENRICHED
from services.common.exits import EXIT_TEMPORARY, UnusableProcessError
from services.common.messages import RejectedMessage, decode, encode
from services.common.settings import Settings
from services.dedup.checked_store import CheckedStore

R = TypeVar("R", bound=BaseModel)
MOST_BYTES = 256 * 1024
"""A larger record is not kept decoded: its objects take many times its bytes."""
RECENT = 500
"""Records that are kept decoded. An article is looked at again soon after it came: by the summary of its story."""


class ConfirmedTable(Table):  # type: ignore[type-arg]  # faust's Table is generic in stubs only
    """A table that keeps the futures of its changelog records. Faust drops them, and failed writes with them."""

    def __post_init__(self) -> None:
        self.unconfirmed: list[Awaitable[object]] = []
        self._in_flight: Counter[bytes] = Counter()

    def _new_store_by_url(self, url: Any) -> Any:
        """A store on disk is checked. A store in memory needs no check."""
        if str(url).startswith("memory"):
            return super()._new_store_by_url(url)
        return CheckedStore(
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options=self.options,
        )

    def send_changelog(self, partition: int | None, key: bytes, *args: Any, **kwargs: Any) -> Any:
        """Send the record and keep its future."""
        future = super().send_changelog(partition, key, *args, **kwargs)
        self._in_flight[key] += 1
        self.unconfirmed.append(future)
        return future

    def _on_changelog_sent(self, fut: Any) -> None:
        """Faust calls this when the record was sent. The last record of a row that is on its way takes its mark."""
        super()._on_changelog_sent(fut)
        key, partition = fut.message.key, fut.message.partition
        self._in_flight[key] -= 1
        if not self._in_flight[key]:
            del self._in_flight[key]
            if isinstance(self.data, CheckedStore):
                self.data.note_sent(partition, key)

    def send_unsent(self) -> int:
        """Send again every row whose changelog record a crash may have taken. Returns how many there were."""
        rows = self.data.unsent() if isinstance(self.data, CheckedStore) else []
        for partition, key, value in rows:
            self.send_changelog(partition, key, value, value_serializer="raw")
        return len(rows)

    def take_unconfirmed(self) -> tuple[Awaitable[object], ...]:
        """The futures that were added since the last call."""
        futures, self.unconfirmed = tuple(self.unconfirmed), []
        return futures


class StoredDigests:
    """The digests of the rows of a table, where its store is on disk. In memory there are none."""

    def __init__(self, table: ConfirmedTable) -> None:
        self._table = table

    @property
    def _store(self) -> CheckedStore | None:
        store = self._table.data
        return store if isinstance(store, CheckedStore) else None

    def prepare(self, article_id: str, digest: bytes) -> None:
        """Keep a digest with the next write of its row."""
        if (store := self._store) is not None:
            store.prepare_digest(article_id.encode(), digest)

    def keep(self, article_id: str, digest: bytes) -> None:
        """Keep a digest of a row that is there already."""
        if (store := self._store) is not None:
            store.keep_digest(article_id.encode(), digest)

    def values(self) -> Iterator[bytes]:
        """Every digest that is known."""
        if (store := self._store) is not None:
            yield from store.digests()


class Records(MutableMapping[str, R]):
    """Records by id in a mapping of bytes. The last ones are kept decoded too, until `forget_recent`."""

    def __init__(self, record: type[R], encoded: MutableMapping[bytes, bytes]) -> None:
        self._record = record
        self._encoded = encoded
        self._recent: OrderedDict[str, R] = OrderedDict()

    def __getitem__(self, key: str) -> R:
        """The record of a key. Raises KeyError if there is none."""
        record = self._recent.get(key)
        if record is None:
            encoded = self._encoded[key.encode()]
            try:
                record = decode(self._record, encoded)
            except RejectedMessage as rejected:  # no fault of the message that asks for the record
                reason = f"The record {key} in the store cannot be read: {rejected.reason}"
                raise UnusableProcessError(EXIT_TEMPORARY, reason) from rejected
            self._remember(key, record, len(encoded))
        return record

    def __setitem__(self, key: str, record: R) -> None:
        """Set the record."""
        encoded = encode(record)
        self._encoded[key.encode()] = encoded
        self._remember(key, record, len(encoded))

    def __delitem__(self, key: str) -> None:
        """Remove the record."""
        self._encoded.pop(key.encode(), None)
        self._recent.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        """Every key."""
        return (bytes(key).decode() for key in self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)

    def _remember(self, key: str, record: R, size: int) -> None:
        self._recent.pop(key, None)
        if size > MOST_BYTES:
            return
        self._recent[key] = record
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def forget_recent(self) -> None:
        """Decode again. The bytes may have been restored, with records of another process."""
        self._recent.clear()


class RecordTable(Records[R]):
    """Records by id in a faust table. A write is durable when its future is done."""

    def __init__(self, app: faust.App, settings: Settings, name: str, record: type[R]) -> None:
        self._table = ConfirmedTable(
            app,
            name=name,
            key_type=bytes,
            value_type=bytes,
            partitions=ENRICHED.partitions,
            options={"driver": "rocksdict"},
            extra_topic_configs={
                "max.message.bytes": settings.max_request_bytes,
                "delete.retention.ms": DAY_MS,
                "cleanup.policy": "compact",
                **BROKER_TIME,
            },
        )
        app.tables.add(self._table)
        self.digests = StoredDigests(self._table)
        super().__init__(record, self._table)

    def __len__(self) -> int:
        """The number of records. A store on disk knows it without reading them."""
        store = self._table.data
        return store.rows_written() if isinstance(store, CheckedStore) else len(self._table)

    def require_rows(self, read: int) -> None:
        """Raises UnusableProcessError if the store has other rows than were read. The next start restores it."""
        store = self._table.data
        written = store.rows_written() if isinstance(store, CheckedStore) else read
        if read != written:
            reason = (
                f"The store of {self._table.name} gives {read:,} of {written:,} rows. It is restored at the next start."
            )
            raise UnusableProcessError(EXIT_TEMPORARY, reason)

    def send_unsent(self) -> int:
        """Send every row to the changelog that a killed process may not have sent. Returns how many there were."""
        return self._table.send_unsent()

    def take_unconfirmed(self) -> tuple[Awaitable[object], ...]:
        """The futures of the changelog records that were sent since the last call."""
        return self._table.take_unconfirmed()

"""The RocksDB store of a faust table, with a seal that shows whether it is whole.

The store is a cache of its changelog. RocksDB does not tell every damage: a flipped byte ends an iteration silently,
and a cut MANIFEST opens with a part of the rows and the offset of the newest write. So the number of rows and a
checksum are kept beside the offset. A store that does not agree with them, or cannot be read, is set aside, and faust
restores it.

A kill may come after a row was written here and before Kafka confirmed its changelog record. So each write leaves a
mark beside its row until then. What is marked at the next start is sent again: without that, a store that is restored
later would lack the row (docs/adr/0021).

Beside a row may stand its digest, which is derived from it. It is written and removed in one batch with the row.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rocksdict
from faust.stores import rocksdb
from faust.streams import current_event
from faust.types import TP
from prometheus_client import Counter

from services.common.logging import get_logger

OWN_PREFIX = b"__dragoman\0"
"""No row has such a key."""
SEAL_KEY = OWN_PREFIX + b"seal__"
UNSENT_PREFIX = OWN_PREFIX + b"unsent__"
"""Before the key of a row whose changelog record is not confirmed."""
DIGEST_PREFIX = OWN_PREFIX + b"digest__"
"""Before the key of a row: what is derived from the row, so that it need not be derived again (`digests.py`)."""
DIGESTS_KEY = OWN_PREFIX + b"digests__"
"""The rows that the digests belong to, as in the seal. A version that knows no digests changes only the seal."""
OWN_END = OWN_PREFIX[:-1] + b"\x01"
"""Behind all keys of our own."""
RESTORED = Counter(
    "dragoman_restored_stores_total", "Damaged stores that were set aside and restored from their changelog.", ["table"]
)
log = get_logger(__name__)


@dataclass(slots=True)
class Seal:
    """The number of rows and the sum (exclusive or) of their hashes. It does not depend on their order."""

    rows: int = 0
    checksum: int = 0
    offset: int | None = None

    def replace(self, key: bytes, old: bytes | None, new: bytes | None) -> None:
        """Account for one write. None means that there is no row."""
        for value, count in ((old, -1), (new, 1)):
            if value is not None:
                self.rows += count
                self.checksum ^= row_hash(key, value)

    def encode(self) -> bytes:
        """The seal as it is stored."""
        return f"{self.rows} {self.checksum:016x} {self.offset}".encode()

    def encode_rows(self) -> bytes:
        """The part of the seal that is about rows."""
        return f"{self.rows} {self.checksum:016x}".encode()


def row_hash(key: bytes, value: bytes) -> int:
    """64 bits of the BLAKE2 hash of one row."""
    digest = hashlib.blake2b(len(key).to_bytes(4, "little") + key + value, digest_size=8).digest()
    return int.from_bytes(digest, "little")


class DamagedStoreError(Exception):
    """The rows of a store are not those that were written."""


class CheckedStore(rocksdb.Store):
    """A store that writes its seal with every row, and checks it when it is opened."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seals: dict[int, Seal] = {}
        self._opened: dict[int, Any] = {}
        self._prepared: dict[bytes, bytes] = {}

    def _open_for_partition(self, partition: int) -> Any:
        path = Path(self.partition_path(partition))
        damage = self._open_checked(partition, path)
        if damage is not None:
            self._set_aside(path, damage)
            self._opened[partition] = super()._open_for_partition(partition)
            self._seals[partition] = Seal()
        return self._opened.pop(partition)

    def _open_checked(self, partition: int, path: Path) -> str | None:
        """Open a store and check it. Returns what is wrong with it; it is closed then.

        This is a function of its own, because RocksDB stays open as long as an iterator of a failed check is alive.
        """
        has_data = any(path.glob("*.sst"))
        db: Any = None
        try:
            db = super()._open_for_partition(partition)
            self._seals[partition] = self._check(db, has_data=has_data)
        except Exception as error:
            if "lock file" in str(error).lower():  # another process has it open
                raise
            if db is not None:
                db.close()
            return str(error)[:500]
        if db.get(DIGESTS_KEY) != self._seals[partition].encode_rows():
            db.delete_range(DIGEST_PREFIX, DIGESTS_KEY)
            db.put(DIGESTS_KEY, self._seals[partition].encode_rows())
        self._opened[partition] = db
        return None

    def _check(self, db: Any, *, has_data: bool) -> Seal:
        """The seal of a store. Raises DamagedStoreError if its rows or its offset do not agree with it."""
        found = Seal(offset=_to_int(db.get(self.offset_key)))
        for key, value in self._rows(db, whole=True):
            found.replace(key, None, value)
        stored = db.get(SEAL_KEY)
        if stored is None and found == Seal() and not has_data:
            return found
        if stored != found.encode():
            known = stored.decode("ascii", "replace") if stored else "no seal"
            raise DamagedStoreError(f"rows, checksum and offset are {found.encode().decode()}, written were {known}")
        return found

    def _rows(self, db: Any, *, whole: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of every row. With `whole`, what stands beside rows is read too, to see damage there."""
        rows = db.iter()
        rows.seek_to_first()
        while rows.valid():
            key = bytes(rows.key())
            is_own = key.startswith(OWN_PREFIX)
            if not is_own and key != self.offset_key:
                yield key, bytes(rows.value())
            if is_own and not whole:
                rows.seek(OWN_END)
            else:
                rows.next()
        rows.status()  # raises what ended the iteration too early

    def _set_aside(self, path: Path, damage: str) -> None:
        aside = path.with_name(f"{path.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        if path.exists():
            path.rename(aside)
        RESTORED.labels(self.table_name).inc()
        log.error(
            "the store is damaged; it is set aside and restored from its changelog",
            table=self.table_name,
            kept=str(aside),
            error=damage,
        )

    def reset_state(self) -> None:
        """Remove all local data of this table."""
        self._seals.clear()
        super().reset_state()

    def rows_written(self) -> int:
        """The number of rows in all open partitions, as their seals say."""
        return sum(seal.rows for seal in self._seals.values())

    # --- writing ------------------------------------------------------------------------------------------------------

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Write the offset of the last changelog record, with the seal."""
        db = self._db_for_partition(tp.partition)
        seal = self._seals[tp.partition]
        seal.offset = offset
        batch = rocksdict.WriteBatch(raw_mode=True)
        batch.put(self.offset_key, str(offset).encode())
        batch.put(SEAL_KEY, seal.encode())
        db.write(batch)

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Write records of the changelog, their offsets and the seals."""
        del to_key, to_value  # the records are stored as they are
        writes: dict[int, dict[bytes, bytes | None]] = {}
        offsets: dict[TP, int] = {}
        for event in batch:
            message = event.message
            writes.setdefault(message.partition, {})[message.key] = message.value
            offsets[message.tp] = max(message.offset, offsets.get(message.tp, -1))
        for partition, rows in writes.items():
            self._write(partition, rows)
        for tp, offset in offsets.items():
            self.set_persisted_offset(tp, offset)

    def _set(self, key: bytes, value: bytes | None) -> None:
        event: Any = current_event()
        partition = event.message.partition
        self._key_index[key] = partition
        self._write(partition, {key: value}, unsent=True)

    def _del(self, key: bytes) -> None:
        for partition, db in list(self._dbs.items()):
            if db.get(key) is not None:
                self._write(partition, {key: None}, unsent=True)

    def _write(self, partition: int, rows: dict[bytes, bytes | None], *, unsent: bool = False) -> None:
        db: Any = self._db_for_partition(partition)
        seal = self._seals[partition]
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in rows.items():
            seal.replace(key, db.get(key), value)
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
            digest = self._prepared.pop(key, None)
            if value is None or digest is None:
                batch.delete(DIGEST_PREFIX + key)
            else:
                batch.put(DIGEST_PREFIX + key, digest)
            if unsent:
                batch.put(UNSENT_PREFIX + key, b"")
        batch.put(SEAL_KEY, seal.encode())
        batch.put(DIGESTS_KEY, seal.encode_rows())
        db.write(batch)

    # --- digests: they go with their rows, and are on this disk only --------------------------------------------------

    def prepare_digest(self, key: bytes, digest: bytes) -> None:
        """Write this digest with the next write of its row. A row that is written without one has none."""
        self._prepared[key] = digest

    def keep_digest(self, key: bytes, digest: bytes) -> None:
        """Write the digest of a row that is there. A write of the row takes it away again."""
        for db in self._dbs.values():
            if db.get(key) is not None:
                db.put(DIGEST_PREFIX + key, digest)

    def digests(self) -> Iterator[bytes]:
        """The digest of every row that has one. Every block was read when the store was opened."""
        for db in self._dbs.values():
            found: Any = db.iter()
            found.seek(DIGEST_PREFIX)
            while found.valid() and bytes(found.key()).startswith(DIGEST_PREFIX):
                yield bytes(found.value())
                found.next()
            found.status()  # raises what ended the iteration too early

    def note_sent(self, partition: int, key: bytes) -> None:
        """Take the mark from a row: the changelog has it."""
        db: Any = self._db_for_partition(partition)
        db.delete(UNSENT_PREFIX + key)

    def unsent(self) -> list[tuple[int, bytes, bytes | None]]:
        """Partition, key and value of every row that the changelog may lack. None stands for a removed row."""
        found: list[tuple[int, bytes, bytes | None]] = []
        for partition, db in self._dbs.items():
            marks: Any = db.iter()
            marks.seek(UNSENT_PREFIX)
            while marks.valid() and bytes(marks.key()).startswith(UNSENT_PREFIX):
                key = bytes(marks.key()).removeprefix(UNSENT_PREFIX)
                found.append((partition, key, db.get(key)))
                marks.next()
            marks.status()
        return found

    # --- reading: the seal is no row ----------------------------------------------------------------------------------

    def _visible_keys(self, db: Any) -> Iterator[bytes]:
        return (key for key, _ in self._rows(db))

    def _visible_items(self, db: Any) -> Iterator[tuple[bytes, bytes]]:
        return self._rows(db)

    def _visible_values(self, db: Any) -> Iterator[bytes]:
        return (value for _, value in self._rows(db))

    def _size1(self, db: Any) -> int:
        return sum(1 for _ in self._rows(db))


def _to_int(value: bytes | None) -> int | None:
    return None if value is None else int(value)

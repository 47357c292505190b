"""A store that is not what was written is set aside. RocksDB is real, faust's loop is not needed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.table import Table
from faust.types import TP
from prometheus_client import REGISTRY

from services.common.exits import UnusableProcessError
from services.common.faust_app import make_app
from services.common.settings import Settings
from services.dedup import checked_store
from services.dedup.checked_store import DIGESTS_KEY, SEAL_KEY, CheckedStore
from services.dedup.rows import ArticleRow
from services.dedup.store import RecordTable

TABLE = TP("changelog", 0)
ROWS = {b"key %d" % number: b"value %d " % number * 200 for number in range(500)}


class Opened:
    """A table whose store is opened as faust does it."""

    def __init__(self, home: Path) -> None:
        app: Any = make_app(Settings(home=home), "dedup", home)
        self.table = RecordTable(app, Settings(home=home), "articles", ArticleRow)
        self.store: Any = self.table._table._new_store_by_url("rocksdb://")
        assert isinstance(self.store, CheckedStore)
        self.table._table._data = self.store

    def rows(self) -> dict[bytes, bytes]:
        return dict(self.store._visible_items(self.store._db_for_partition(0)))

    def write(self, rows: dict[bytes, bytes | None], offset: int | None = None) -> None:
        for key, value in rows.items():
            if value is None:
                self.store._del(key)
            else:
                self.store._set(key, value)
        if offset is not None:
            self.store.set_persisted_offset(TABLE, offset)

    def close(self) -> None:
        for db in self.store._dbs.values():
            db.flush()
            db.close()
        self.store._dbs.clear()


@pytest.fixture(autouse=True)
def event(monkeypatch: pytest.MonkeyPatch) -> None:
    message = SimpleNamespace(partition=0)
    monkeypatch.setattr(checked_store, "current_event", lambda: SimpleNamespace(message=message))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a store of 500 rows at offset 99."""
    opened = Opened(tmp_path)
    opened.store._db_for_partition(0)
    opened.write(ROWS, offset=99)
    opened.write({b"key 0": b"changed", b"key 1": None})
    opened.write({b"key 0": ROWS[b"key 0"], b"key 1": ROWS[b"key 1"]}, offset=103)
    opened.close()
    return tmp_path


def restored() -> float:
    return REGISTRY.get_sample_value("dragoman_restored_stores_total", {"table": "articles"}) or 0


def files(home: Path, pattern: str) -> list[Path]:
    return [path for path in home.rglob(pattern) if path.is_file() and ".damaged" not in str(path)]


def test_a_whole_store_is_opened_with_its_rows_and_its_offset(home: Path) -> None:
    before = restored()
    opened = Opened(home)
    assert opened.rows() == ROWS
    assert opened.store.persisted_offset(TABLE) == 103
    assert opened.store.rows_written() == len(ROWS)
    assert restored() == before


def cut(pattern: str, share: float) -> Callable[[Path], None]:
    def damage(home: Path) -> None:
        (path,) = files(home, pattern)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return damage


def flip(home: Path) -> None:
    path = max(files(home, "*.sst"), key=lambda file: file.stat().st_size)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 4, len(data) // 4 + 64):
        data[place] ^= 0xFF
    path.write_bytes(data)


def flip_beside_rows(home: Path) -> None:
    """The damage is in a block that has digests only."""
    opened = Opened(home)
    opened.store._db_for_partition(0)
    digests = {key: random.Random(key).randbytes(2000) for key in ROWS}
    for key, digest in digests.items():
        opened.table.digests.keep(key.decode(), digest)
    opened.close()
    opened = Opened(home)
    opened.store._db_for_partition(0).compact_range(None, None)
    opened.close()
    path = max(files(home, "*.sst"), key=lambda file: file.stat().st_size)
    data = bytearray(path.read_bytes())
    place = data.index(digests[b"key 250"][500:600])
    data[place : place + 4] = b"xxxx"
    path.write_bytes(data)


def without_seal(home: Path) -> None:
    opened = Opened(home)
    opened.store._db_for_partition(0).delete(SEAL_KEY)
    opened.close()


def with_a_lost_row(home: Path) -> None:
    opened = Opened(home)
    opened.store._db_for_partition(0).delete(b"key 7")
    opened.close()


def with_a_newer_offset(home: Path) -> None:
    opened = Opened(home)
    opened.store._db_for_partition(0).put(opened.store.offset_key, b"200")
    opened.close()


DAMAGES = {
    "CURRENT is cut": cut("CURRENT", 0.3),
    "MANIFEST is cut": cut("MANIFEST-*", 0.5),
    "bytes are flipped": flip,
    "bytes are flipped in a digest": flip_beside_rows,
    "there is no seal": without_seal,
    "a row is lost": with_a_lost_row,
    "the offset is newer than the rows": with_a_newer_offset,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_set_aside_and_starts_empty(home: Path, damage: str) -> None:
    DAMAGES[damage](home)
    before = restored()
    opened = Opened(home)
    assert opened.rows() == {}
    assert opened.store.persisted_offset(TABLE) is None, "faust reads the changelog from its beginning"
    assert restored() == before + 1
    assert any(home.rglob("*.damaged"))
    opened.write({b"new": b"row"}, offset=1)
    opened.close()
    assert Opened(home).rows() == {b"new": b"row"}


def test_a_cut_log_is_no_damage(home: Path) -> None:
    """Each row is written together with the seal, so a lost end takes both."""
    opened = Opened(home)
    opened.write({b"late": b"x" * 1000})
    opened.write({b"later": b"y" * 1000})
    for db in opened.store._dbs.values():
        db.flush_wal(sync=True)
    (log,) = (path for path in files(home, "*.log") if path.stat().st_size)
    log.write_bytes(log.read_bytes()[:-500])
    copy = home.parent / "copy"
    home.rename(copy)
    before = restored()
    assert set(Opened(copy).rows()) - ROWS.keys() <= {b"late", b"later"}
    assert restored() == before


def test_rows_of_the_changelog_are_sealed_too(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    records = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None), (b"c", b"4")]
    events = [
        SimpleNamespace(message=SimpleNamespace(tp=TABLE, partition=0, offset=offset, key=key, value=value))
        for offset, (key, value) in enumerate(records)
    ]
    opened.store.apply_changelog_batch(events, bytes, bytes)
    opened.close()
    again = Opened(tmp_path)
    assert again.rows() == {b"a": b"3", b"c": b"4"}
    assert again.store.persisted_offset(TABLE) == 4


def test_a_rebuild_that_reads_too_few_rows_ends_the_process(home: Path) -> None:
    opened = Opened(home)
    opened.store._db_for_partition(0)
    opened.table.require_rows(len(ROWS))
    with pytest.raises(UnusableProcessError, match="499 of 500 rows"):
        opened.table.require_rows(len(ROWS) - 1)


class Changelog:
    """A changelog topic that confirms a record when the test says so."""

    def __init__(self, opened: Opened) -> None:
        self.sent: list[tuple[bytes, bytes | None]] = []
        self._callbacks: list[Callable[[], None]] = []
        opened.table._table.changelog_topic = self

    def send_soon(self, *, key: bytes, value: bytes | None, partition: int, callback: Any, **_: object) -> Any:
        self.sent.append((key, value))
        offset = len(self.sent)
        future = SimpleNamespace(
            message=SimpleNamespace(partition=partition, key=key),
            result=lambda: SimpleNamespace(topic_partition=TABLE, offset=offset),
        )
        self._callbacks.append(lambda: callback(future))
        return future

    def confirm(self, count: int) -> None:
        for callback in self._callbacks[:count]:
            callback()
        del self._callbacks[:count]


@pytest.fixture
def partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Table, "partition_for_key", lambda *_: 0)


@pytest.mark.usefixtures("partition")
def test_what_a_kill_kept_from_the_changelog_is_sent_at_the_next_start(tmp_path: Path) -> None:
    """The row is on disk, the record was never sent, and the redelivered message does not write the row again."""
    opened = Opened(tmp_path)
    changelog = Changelog(opened)
    for key in (b"a", b"b", b"c"):
        opened.table._table[key] = key * 3
    changelog.confirm(2)
    del opened.table._table[b"a"]
    opened.close()

    again = Opened(tmp_path)
    changelog = Changelog(again)
    assert again.rows() == {b"b": b"bbb", b"c": b"ccc"}, "a mark is no row"
    assert again.table.send_unsent() == 2
    assert changelog.sent == [(b"a", None), (b"c", b"ccc")]
    assert len(again.table.take_unconfirmed()) == 2, "the next message waits for them"
    changelog.confirm(2)
    assert again.table.send_unsent() == 0
    again.close()
    assert Opened(tmp_path).rows() == {b"b": b"bbb", b"c": b"ccc"}


@pytest.mark.usefixtures("partition")
def test_a_confirmed_record_says_nothing_of_a_newer_one(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    changelog = Changelog(opened)
    opened.table._table[b"a"] = b"1"
    opened.table._table[b"a"] = b"2"
    changelog.confirm(1)
    assert opened.store.unsent() == [(0, b"a", b"2")]
    changelog.confirm(1)
    assert opened.store.unsent() == []


def test_rows_that_came_from_the_changelog_are_not_sent_again(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    message = SimpleNamespace(tp=TABLE, partition=0, offset=0, key=b"a", value=b"1")
    opened.store.apply_changelog_batch([SimpleNamespace(message=message)], bytes, bytes)
    assert opened.store.unsent() == []


def test_a_digest_goes_with_its_row(home: Path) -> None:
    opened = Opened(home)
    opened.store._db_for_partition(0)
    digests = opened.table.digests
    digests.prepare("key 1", b"one")
    assert list(digests.values()) == [], "it is written with the row"
    opened.write({b"key 1": b"again"})
    digests.keep("key 2", b"two")
    digests.keep("no row", b"three")
    assert list(digests.values()) == [b"one", b"two"]
    assert opened.rows() == {**ROWS, b"key 1": b"again"}, "a digest is no row"
    assert len(opened.table) == len(ROWS)
    opened.close()
    again = Opened(home)
    assert again.rows().keys() == ROWS.keys()
    assert list(again.table.digests.values()) == [b"one", b"two"]
    again.write({b"key 1": b"without a digest", b"key 2": None})
    assert list(again.table.digests.values()) == []


def test_digests_that_a_rebuild_kept_are_there_at_the_next_start(home: Path) -> None:
    """Also when the store was written by a version that knows no digests, and no row is written meanwhile."""
    opened = Opened(home)
    opened.store._db_for_partition(0).delete(DIGESTS_KEY)
    opened.close()
    for _ in range(2):
        opened = Opened(home)
        opened.store._db_for_partition(0)
        if not (kept := list(opened.table.digests.values())):
            opened.table.digests.keep("key 1", b"one")
        opened.close()
    assert kept == [b"one"]


def test_a_row_from_the_changelog_takes_the_digest_of_the_old_one(home: Path) -> None:
    opened = Opened(home)
    opened.store._db_for_partition(0)
    opened.table.digests.keep("key 1", b"old")
    message = SimpleNamespace(tp=TABLE, partition=0, offset=200, key=b"key 1", value=b"new")
    opened.store.apply_changelog_batch([SimpleNamespace(message=message)], bytes, bytes)
    assert list(opened.table.digests.values()) == []


def test_digests_of_rows_that_another_version_has_changed_are_dropped(home: Path) -> None:
    """A version that knows no digests writes rows and seals alone."""
    opened = Opened(home)
    db = opened.store._db_for_partition(0)
    opened.table.digests.keep("key 1", b"old")
    known = db.get(DIGESTS_KEY)
    opened.write({b"key 3": b"changed"}, offset=300)
    db.put(DIGESTS_KEY, known)
    opened.close()
    again = Opened(home)
    assert again.rows()[b"key 3"] == b"changed"
    assert list(again.table.digests.values()) == []

"""The store assigns revisions: the same content keeps its revision, new content gets a larger one at any clock time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from services.producer.ledger.store import DamagedStoreError, Identified, LedgerLine, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "deep" / "store.sqlite")


def test_the_same_content_keeps_its_revision(store: Store) -> None:
    first = store.identify("a", ["hash"], None, now=1000)
    again = store.identify("a", ["hash"], None, now=2000)
    assert first == again == Identified(1000, "hash", ())


def test_a_hash_of_an_earlier_version_is_no_change_and_stays(store: Store) -> None:
    store.identify("a", ["earlier"], None, now=1000)
    assert store.identify("a", ["new", "earlier"], None, now=2000) == Identified(1000, "earlier", ())
    assert store.identify("a", ["other", "another"], None, now=2000) == Identified(2000, "other", ())


def test_new_content_is_always_newer_even_when_the_clock_goes_back(store: Store) -> None:
    store.identify("a", ["one"], None, now=1000)
    assert store.identify("a", ["two"], None, now=500).revision == 1001
    assert store.identify("a", ["one"], None, now=3000).revision == 3000


def test_every_feed_that_carried_it_is_remembered_once(store: Store) -> None:
    store.identify("a", ["h"], "feed-1", now=1)
    both = store.identify("a", ["h"], "feed-2", now=2)
    assert both == Identified(2, "h", ("feed-1", "feed-2")), "a further feed is a new revision: the index must name it"
    assert store.identify("a", ["h"], "feed-1", now=3) == both


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            store.identify("a", ["h"], None, now=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.identify("a", ["h"], None, now=9).revision == 9


def test_it_survives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    first = Store(path)
    first.identify("a", ["h"], None, now=7)
    first.append([LedgerLine("a", "g", "s", 7, "h", "articles.raw", 0, 3)])
    second = Store(path)
    assert second.identify("a", ["h"], None, now=99).revision == 7
    assert (second.totals().messages, second.totals().articles) == (1, 1)


def test_the_ledger_counts_articles_once_and_knows_the_last_revision(store: Store) -> None:
    store.append([LedgerLine("a", "g", "s", revision, f"h{revision}", "t", 0, revision) for revision in (1, 2)])
    store.append([LedgerLine("b", None, "s", 5, "h", "t", 1, 0)])
    assert (store.totals().messages, store.totals().articles) == (3, 2)
    assert sorted(store.latest()) == [("a", 2, "h2"), ("b", 5, "h")]


def test_ledger_lines_are_never_half_a_line(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.append([LedgerLine(None, "g", "s", 1, "h", "t", 0, 0)])  # type: ignore[arg-type]
    assert store.totals().messages == 0


class TestDamage:
    """A damaged file is refused with its name. Going on would promise what cannot be kept."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "whole.sqlite"
        store = Store(path)
        with store.transaction():
            store.append(
                LedgerLine(f"article {number}", "g", "s", 1, "hash" * 20, "articles.raw", 0, number)
                for number in range(2000)
            )
        store.close()
        return path

    def test_a_whole_file_is_well(self, file: Path) -> None:
        Store(file).check()

    @pytest.mark.parametrize("damage", [b"no database", b""])
    def test_a_damaged_beginning_is_found_at_once(self, file: Path, damage: bytes) -> None:
        content = file.read_bytes()
        file.write_bytes(damage.ljust(100, b"x") + content[100:])
        with pytest.raises(DamagedStoreError, match=r"whole\.sqlite is damaged"):
            Store(file)

    def test_a_cut_file_is_found(self, file: Path) -> None:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(DamagedStoreError):
            Store(file).check()

    def test_damage_behind_the_first_page_is_found_by_the_check(self, file: Path) -> None:
        content = bytearray(file.read_bytes())
        for at in range(4096, len(content), 97):
            content[at] ^= 0xFF
        file.write_bytes(content)
        with pytest.raises(DamagedStoreError):
            Store(file).check()

    def test_a_locked_store_is_no_damaged_one(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, **{**options, "timeout": 0.1}))
        holder = connect(file, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            Store(file)
        holder.close()

"""The tables of dedup keep the future of every changelog record: a write counts once it is done."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.table import Table

from schemas.story import StoryEdit
from services.common.exits import UnusableProcessError
from services.common.faust_app import make_app
from services.common.messages import encode
from services.common.settings import Settings
from services.dedup import store
from services.dedup.store import Records, RecordTable
from tests.examples import EXAMPLES

MERGE = StoryEdit.model_validate_json((EXAMPLES / "stories.edits/valid/v1-merge.json").read_bytes())


class Changelog:
    """The changelog topic. The future of each record is the message that was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes | None]] = []
        self.futures: list[Any] = []

    def send_soon(self, *, key: bytes, value: bytes | None, partition: int, **_: object) -> Any:
        self.sent.append((key, value))
        self.futures.append(SimpleNamespace(message=SimpleNamespace(partition=partition)))
        return self.futures[-1]


@pytest.fixture
def changelog() -> Changelog:
    return Changelog()


@pytest.fixture
def table(changelog: Changelog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordTable[StoryEdit]:
    """A table in memory, as in the agent, where faust knows the partition of the message."""
    settings = Settings(home=tmp_path)
    app: Any = make_app(settings, "dedup", tmp_path / "faust")
    app.conf.store = "memory://"
    monkeypatch.setattr(Table, "partition_for_key", lambda *_: 0)
    made = RecordTable(app, settings, "edits", StoryEdit)
    assert app.tables["edits"] is made._table
    made._table.changelog_topic = changelog
    return made


def test_it_is_a_mapping_of_records(table: RecordTable[StoryEdit]) -> None:
    other = MERGE.model_copy(update={"edit_id": "ö"})
    table[MERGE.edit_id] = MERGE
    table[other.edit_id] = other
    assert dict(table) == {MERGE.edit_id: MERGE, "ö": other}
    assert (len(table), table["ö"], "x" in table) == (2, other, False)
    del table["ö"]
    assert list(table) == [MERGE.edit_id]
    with pytest.raises(KeyError):
        table["ö"]


def test_a_write_and_a_removal_are_each_in_the_changelog(table: RecordTable[StoryEdit], changelog: Changelog) -> None:
    table[MERGE.edit_id] = MERGE
    del table[MERGE.edit_id]
    assert changelog.sent == [(MERGE.edit_id.encode(), encode(MERGE)), (MERGE.edit_id.encode(), None)]


def test_the_future_of_every_changelog_record_is_given_out_once(
    table: RecordTable[StoryEdit], changelog: Changelog
) -> None:
    table[MERGE.edit_id] = MERGE
    table[MERGE.edit_id] = MERGE
    assert table.take_unconfirmed() == tuple(changelog.futures)
    assert table.take_unconfirmed() == ()
    del table[MERGE.edit_id]
    assert table.take_unconfirmed() == (changelog.futures[2],)


def test_removing_what_is_not_there_writes_nothing(table: RecordTable[StoryEdit], changelog: Changelog) -> None:
    """A redelivered message may expire a row again."""
    del table["nobody"]
    assert changelog.sent == []
    assert table.take_unconfirmed() == ()


def test_a_record_that_another_program_wrote_is_no_fault_of_the_message_that_asks(
    table: RecordTable[StoryEdit],
) -> None:
    """The message would be a dead letter, and so would every other one that asks for the record."""
    table._table[b"odd"] = b"no JSON"
    with pytest.raises(UnusableProcessError, match="The record odd in the store cannot be read"):
        table["odd"]


def test_the_changelog_takes_what_the_topic_takes(table: RecordTable[StoryEdit], tmp_path: Path) -> None:
    """A row is as large as its article, so an expired row must not stay for ever."""
    config = table._table.extra_topic_configs
    assert config["max.message.bytes"] == Settings(home=tmp_path).max_request_bytes
    assert config["cleanup.policy"] == "compact"
    assert table._table.partitions == 1


def test_a_record_is_decoded_once_while_it_is_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RECENT", 2)
    encoded: dict[bytes, bytes] = {}
    records = Records(StoryEdit, encoded)
    edits = [MERGE.model_copy(update={"edit_id": name}) for name in "abc"]
    for edit in edits:
        records[edit.edit_id] = edit
    assert records["c"] is edits[2]
    assert records["a"] == edits[0]
    assert records["a"] is not edits[0]
    assert records["a"] is records["a"]


def test_a_large_record_is_not_kept_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", len(encode(MERGE)))
    records = Records(StoryEdit, {})
    larger = MERGE.model_copy(update={"made_by": f"{MERGE.made_by}x"})
    records["a"] = MERGE
    assert records["a"] is MERGE
    records["a"] = larger
    assert records["a"] == larger
    assert records["a"] is not larger


def test_what_was_restored_is_read_again() -> None:
    encoded: dict[bytes, bytes] = {}
    records = Records(StoryEdit, encoded)
    records["a"] = MERGE
    restored = MERGE.model_copy(update={"by": "somebody else"})
    encoded[b"a"] = encode(restored)
    records.forget_recent()
    assert records["a"] == restored
    del records["a"]
    with pytest.raises(KeyError):
        records["a"]

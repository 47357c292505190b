"""`dragoman dead`: letters are listed, shown, sent again and dropped; what is refused is said."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.dead_letter import DeadLetter
from services.common.messages import encode
from tests.fakes import FakeKafka

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]
IDS = [f"articles.raw/0/{number}" for number in range(3)]


@pytest.fixture
def letters(kafka: FakeKafka, example: Example) -> FakeKafka:
    """Three letters: of the worker's decoding, of its entities (tired), and of the indexer."""
    changes: list[dict[str, Any]] = [
        {"attempts": 1},
        {"stage": "entities", "error_class": "stage_failed", "attempts": 6},
        {"service": "indexer", "source_topic": "articles.grouped", "error_class": "rejected_document", "attempts": 2},
    ]
    for number, fields in enumerate(changes):
        values = example("articles.dead", "v1", letter_id=IDS[number], source_offset=number, **fields)
        values |= {"original_key": encoded(b"key"), "original_value": encoded(f"körper {number}".encode())}
        put(kafka, values)
    return kafka


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()


def put(kafka: FakeKafka, values: dict[str, Any]) -> None:
    letter = DeadLetter.model_validate_json(json.dumps(values))
    kafka.append("articles.dead", letter.letter_id.encode(), encode(letter))


def log(kafka: FakeKafka, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for one in kafka.partitions(topic) for record in kafka.logs[one]]


def ids_of(result: Any) -> list[str]:
    return [letter["letter_id"] for letter in json.loads(result.stdout)]


def test_no_letters_are_said(dragoman: Run, kafka: FakeKafka) -> None:
    assert dragoman("dead", "list").stdout == "No dead letters.\n"
    assert json.loads(dragoman("dead", "list", "--json").stdout) == []
    assert not log(kafka, "articles.dead")


@pytest.mark.usefixtures("letters")
def test_json_holds_every_field_and_the_original_as_text(dragoman: Run) -> None:
    result = dragoman("dead", "list", "--json")
    assert result.exit_code == 0
    first, *rest = json.loads(result.stdout)
    assert first.keys() == {*DeadLetter.model_fields, "original_text"}
    assert (first["letter_id"], first["original_text"]) == (IDS[0], "körper 0")
    assert base64.urlsafe_b64decode(first["original_value"]) == "körper 0".encode()
    assert [one["letter_id"] for one in rest] == IDS[1:]


@pytest.mark.parametrize(
    ("option", "value", "numbers"),
    [
        ("--service", "indexer", [2]),
        ("--stage", "decode", [0, 2]),
        ("--error-class", "stage_failed", [1]),
        ("--topic", "articles.raw", [0, 1]),
        ("--service", "nobody", []),
    ],
)
@pytest.mark.usefixtures("letters")
def test_filters(dragoman: Run, option: str, value: str, numbers: list[int]) -> None:
    assert ids_of(dragoman("dead", "list", "--json", option, value)) == [IDS[number] for number in numbers]


def test_the_table_names_each_letter_and_cuts_long_errors(dragoman: Run, letters: FakeKafka, example: Example) -> None:
    put(letters, example("articles.dead", "v1", letter_id="long", error="x" * 500))
    said = dragoman("dead", "list").stdout
    for words in (*IDS, "stage_failed", "indexer", "2023-06-01 12:00:00", "long", "message: Invalid JSON"):
        assert words in said
    assert said.count("x") < 125
    assert "…" in said


def test_a_letter_without_a_value_has_no_text(dragoman: Run, kafka: FakeKafka, example: Example) -> None:
    put(kafka, example("articles.dead", "v1-null-value"))
    (shown,) = json.loads(dragoman("dead", "list", "--json").stdout)
    assert (shown["original_text"], shown["original_value"]) == (None, None)
    assert " bytes" not in dragoman("dead", "show", "articles.raw/0/17").stdout


@pytest.mark.usefixtures("letters")
def test_one_letter_is_shown_whole(dragoman: Run) -> None:
    result = dragoman("dead", "show", IDS[1])
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert lines["letter_id"] == [IDS[1]]
    assert lines["error_class"] == ["stage_failed"]
    assert lines["original_text"] == ["körper", "1"]
    assert lines["original_value"] == ["9", "bytes"]
    assert "original_key" not in lines
    assert "`--json` gives the original in base64." in result.stderr
    assert json.loads(dragoman("dead", "show", IDS[1], "--json").stdout)["stage"] == "entities"


@pytest.mark.parametrize("command", [["show"], ["replay"], ["drop"]])
def test_an_unknown_id_is_refused(dragoman: Run, letters: FakeKafka, command: list[str]) -> None:
    result = dragoman("dead", *command, "articles.raw/9/9")
    assert result.exit_code == 2
    assert "There is no dead letter articles.raw/9/9. `dragoman dead list` shows all." in result.stderr
    assert len(log(letters, "articles.dead")) == 3


def test_replay_sends_the_original_with_its_key_and_marks_the_letter(dragoman: Run, letters: FakeKafka) -> None:
    result = dragoman("dead", "replay", IDS[0], "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"action": "replay", "dry_run": False, "letters": [IDS[0]]}
    assert log(letters, "articles.raw") == [(b"key", "körper 0".encode())]
    assert log(letters, "articles.dead")[-1] == (IDS[0].encode(), None)
    assert ids_of(dragoman("dead", "list", "--json")) == IDS[1:]


def test_replay_counts_the_attempts_in_a_header(dragoman: Run, letters: FakeKafka) -> None:
    dragoman("dead", "replay", IDS[2])
    (record,) = letters.logs[letters.partitions("articles.grouped")[0]]
    assert record.headers == [("dragoman-attempts", b"2")]


def test_replay_leaves_letters_that_failed_too_often(dragoman: Run, letters: FakeKafka) -> None:
    result = dragoman("dead", "replay", "--rate", "100000")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "Replayed 2 dead letters."
    assert "1 left: they failed more than 5 times (--max-attempts)." in result.stderr
    assert ids_of(dragoman("dead", "list", "--json")) == [IDS[1]]
    assert len(log(letters, "articles.raw")) == 1
    last = dragoman("dead", "replay", "--max-attempts", "6")
    assert (last.stdout.splitlines()[0], last.stderr) == ("Replayed 1 dead letters.", "")


def test_replay_leaves_letters_whose_file_is_in_quarantine(dragoman: Run, kafka: FakeKafka, example: Example) -> None:
    put(kafka, example("articles.dead", "v1-null-value", quarantine_path="/q/big.html"))
    result = dragoman("dead", "replay")
    assert result.stdout == "Replayed 0 dead letters.\n"
    assert "1 left: their files are in quarantine. Fix them and replay them." in result.stderr
    assert not log(kafka, "articles.raw")


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_a_dry_run_changes_nothing(dragoman: Run, letters: FakeKafka, command: str) -> None:
    result = dragoman("dead", command, "--service", "worker", "--stage", "decode", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"Would {command} 1 dead letters.", f"  {IDS[0]}  invalid_message"]
    as_json = json.loads(dragoman("dead", command, "--service", "indexer", "--dry-run", "--json").stdout)
    assert as_json == {"action": command, "dry_run": True, "letters": [IDS[2]]}
    assert len(log(letters, "articles.dead")) == 3
    assert not log(letters, "articles.raw")


def test_drop_marks_letters_and_sends_nothing(dragoman: Run, letters: FakeKafka) -> None:
    result = dragoman("dead", "drop", "--topic", "articles.raw")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "Dropped 2 dead letters."
    assert log(letters, "articles.dead")[3:] == [(IDS[0].encode(), None), (IDS[1].encode(), None)]
    assert not log(letters, "articles.raw")
    assert dragoman("dead", "drop", "--all").stdout.startswith("Dropped 1 dead letters.")
    assert dragoman("dead", "list").stdout == "No dead letters.\n"


def test_drop_without_a_choice_is_refused(dragoman: Run, letters: FakeKafka) -> None:
    result = dragoman("dead", "drop")
    assert result.exit_code == 2
    assert "Say which letters to drop: ids, a filter, or --all." in result.stderr
    assert len(log(letters, "articles.dead")) == 3


def test_at_most_twenty_letters_are_named(dragoman: Run, kafka: FakeKafka, example: Example) -> None:
    for number in range(21):
        put(kafka, example("articles.dead", "v1", letter_id=f"t/0/{number}"))
    said = dragoman("dead", "drop", "--all", "--dry-run").stdout.splitlines()
    assert said[0] == "Would drop 21 dead letters."
    assert len(said) == 21


@pytest.mark.parametrize("confirms", [0, 1])
def test_a_letter_stays_until_kafka_confirms(
    dragoman: Run, letters: FakeKafka, refusing: Callable[[int], None], confirms: int
) -> None:
    refusing(confirms)
    result = dragoman("dead", "replay", IDS[0])
    assert result.exit_code == 1
    assert result.stderr == "gone. Letters without a confirmation are still there.\n"
    assert len(log(letters, "articles.raw")) == confirms
    assert ids_of(dragoman("dead", "list", "--json")) == IDS


@pytest.mark.usefixtures("no_broker")
def test_without_kafka_the_stack_is_asked_for(dragoman: Run) -> None:
    result = dragoman("dead", "list")
    assert result.exit_code == 1
    assert "Kafka at 127.0.0.1:9092 does not answer (KafkaConnectionError). Is the stack up? `dragoman up`" in (
        result.stderr
    )

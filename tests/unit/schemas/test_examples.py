"""The committed examples: the contract that producer and consumer tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import schemas
from schemas.base import Record
from schemas.topics import TOPICS, Topic, intermediate
from services.common.messages import RejectedMessage, decode, encode
from tools.schemas import main as generate

EXAMPLES = Path(schemas.__file__).with_name("examples")
RECORDS = {topic.name: topic.record for topic in TOPICS}


def examples(kind: str) -> list[Path]:
    return sorted(EXAMPLES.glob(f"*/{kind}/*"))


def record_of(path: Path) -> type[Record]:
    return RECORDS[path.parents[1].name]


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).as_posix()


@pytest.mark.parametrize("path", examples("valid"), ids=name_of)
def test_old_examples_keep_decoding(path: Path) -> None:
    record = decode(record_of(path), path.read_bytes())
    assert decode(record_of(path), encode(record)) == record


@pytest.mark.parametrize("path", examples("invalid"), ids=name_of)
def test_invalid_examples_are_rejected_with_a_reason(path: Path) -> None:
    with pytest.raises(RejectedMessage) as caught:
        decode(record_of(path), path.read_bytes())
    assert caught.value.reason


def test_every_topic_has_valid_and_invalid_examples() -> None:
    for topic in TOPICS:
        kinds = {path.parent.name for path in EXAMPLES.glob(f"{topic.name}/*/*")}
        assert kinds == {"valid", "invalid"}, topic.name


def test_committed_json_schemas_are_fresh() -> None:
    assert generate(["--check"]) == 0


def test_the_schemas_are_those_of_this_checkout() -> None:
    """Otherwise an installed copy of an older version would be tested."""
    assert Path(schemas.__file__).is_relative_to(Path(__file__).parents[3])


def test_records_are_closed_and_frozen() -> None:
    path = next(iter(examples("valid")))
    record = decode(record_of(path), path.read_bytes())
    with pytest.raises(ValidationError):
        record.schema_version = 2  # type: ignore[attr-defined]


def test_compacted_topics_are_kept_for_ever() -> None:
    for topic in (*TOPICS, intermediate("language")):
        config = topic.config(1000)
        assert (config["cleanup.policy"] == "compact") == (config["retention.ms"] == "-1"), topic.name


def test_dedup_and_dead_letters_have_one_partition() -> None:
    single = [topic.name for topic in TOPICS if topic.partitions == 1]
    assert single == ["articles.enriched", "stories.edits", "articles.dead"]


def test_topic_is_a_value() -> None:
    assert intermediate("language") == Topic("articles.language", intermediate("x").record, "article_id", None, 7)

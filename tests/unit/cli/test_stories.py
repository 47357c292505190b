"""What `dragoman stories` and `dragoman explain` say, and what they make of edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import ConnectionError as NoConnection
from kafka.errors import KafkaTimeoutError

from schemas.article import EnrichedArticle
from schemas.story import EditAction, StoryEdit
from services.cli.explain import explain_one, name_ids, show_one
from services.cli.servers import answering, problem
from services.cli.stories import hours_line
from services.cli.story_edits import edits_of, make_edit
from services.common.messages import encode
from services.common.settings import ElasticsearchSettings
from services.dedup.articles import part_of
from services.dedup.edit_pairs import pairs_of, to_raw
from services.dedup.grouping import Grouper
from services.search.stories import headline_in

Enrich = Callable[..., EnrichedArticle]
ONE, TWO, THREE = (f"{number}" * 8 + "-0000-5000-8000-" + f"{number}" * 12 for number in (1, 2, 3))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Record:
    key: bytes
    value: bytes | None
    offset: int = 7


@dataclass
class Titles:
    known: dict[str, str]

    def titles(self, ids: list[str]) -> dict[str, str]:
        return {one: self.known[one] for one in ids if one in self.known}


def an_edit(edit_id: str, action: EditAction, articles: tuple[str, ...], other: str | None, minute: int) -> StoryEdit:
    at = NOW + timedelta(minutes=minute)
    return StoryEdit(edit_id=edit_id, action=action, articles=articles, other=other, made_at=at, made_by="ann")


def test_edits_are_read_oldest_first_and_what_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    late = an_edit("late", EditAction.MERGE, (ONE, TWO), None, 5)
    early = an_edit("early", EditAction.SPLIT, (ONE,), TWO, 1)
    gone = an_edit("gone", EditAction.PIN, (ONE,), TWO, 3)
    records = [Record(one.edit_id.encode(), encode(one)) for one in (late, early, gone)]
    records += [Record(b"gone", None), Record(b"broken", b"{")]
    assert edits_of(records) == [early, late]
    assert "Record 7 is not an edit" in capsys.readouterr().err


def test_of_contradicting_edits_the_later_one_is_the_training_pair() -> None:
    edits = [
        an_edit("1", EditAction.MERGE, (ONE, TWO, THREE), None, 1),
        an_edit("2", EditAction.SPLIT, (TWO,), ONE, 2),
        an_edit("3", EditAction.PIN, (THREE,), TWO, 3),
    ]
    assert set(pairs_of(edits)) == {(ONE, TWO, False), (ONE, THREE, True), (TWO, THREE, True)}


@pytest.mark.parametrize(("source", "is_kept"), [("feed", True), ("text", False), ("none", False)])
def test_a_date_found_in_the_text_is_not_given_back_as_stated(enriched: Enrich, source: str, *, is_kept: bool) -> None:
    article = enriched("Hundreds of people marched in Utrecht.", guid="a")
    document = article.model_dump(mode="json") | {"published_at": "2026-01-01T00:00:00Z", "published_at_source": source}
    assert (to_raw(document)["published_at"] is not None) == is_kept


def test_an_edit_names_each_article_once_and_who_made_it() -> None:
    edit = make_edit(EditAction.MERGE, [ONE, TWO, ONE], None, "the same fire", "ann")
    assert (edit.articles, edit.made_by, edit.reason) == ((ONE, TWO), "ann", "the same fire")


def test_hours_are_bars_in_proportion() -> None:
    assert hours_line([{"articles": 1}, {"articles": 8}]) == "▁█"
    assert hours_line([]) == ""


def test_a_pair_has_every_line_of_a_document_of_any_version(enriched: Enrich) -> None:
    article = enriched("Hundreds of people marched in Utrecht.\nRelated Articles", guid="a")
    assert article.removed
    document = article.model_dump(mode="json")
    assert to_raw(document)["content"] == "Hundreds of people marched in Utrecht.\nRelated Articles"
    old = document | {"schema_version": 1, "content": "<p>Hundreds</p>", "content_type": "text/html"}
    assert (to_raw(old)["content"], to_raw(old)["schema_version"]) == ("<p>Hundreds</p>", 2)


def test_a_story_without_a_title_is_called_by_its_sentence() -> None:
    editions = [
        {"language": "en", "title": None, "sentence": None},
        {"language": "nl", "title": None, "sentence": "Hundreds marched in Utrecht. " * 5},
    ]
    assert headline_in({"title": None, "editions": editions}).startswith("Hundreds marched in Utrecht. Hundreds")
    assert len(headline_in({"title": None, "editions": editions})) <= 101
    assert headline_in({"title": "March", "editions": editions}) == "March"
    assert headline_in({"title": None, "editions": []}) == "-"


def test_ids_get_their_titles() -> None:
    assert name_ids(f"merge of {ONE} when {TWO} came", {ONE: "Fire"}) == "merge of 11111111 “Fire” when 22222222 came"


def test_a_vetoed_story_is_told_by_its_title_and_not_as_a_near_miss(
    enriched: Enrich, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person has split two articles before the second one came: near enough, but not taken."""
    text = "Firefighters in Zwolle fought a blaze at the Hoekstra paper mill; director Anneke Visser praised them."
    first = enriched(text, guid="first")
    second = enriched(
        "The Hoekstra paper mill in Zwolle burned, and Anneke Visser, its director, saw it.", guid="second"
    )
    grouper = Grouper(timedelta(days=14))
    grouper.apply(an_edit("1", EditAction.SPLIT, (second.article_id,), first.article_id, 0))
    grouper.take(part_of(first))
    article = grouper.take(part_of(second)).article
    assert article is not None
    assert article.story_id == second.article_id
    library: Any = Titles({first.article_id: "Blaze at a mill"})
    show_one(explain_one(library, article.model_dump(mode="json")))
    said = capsys.readouterr().out
    assert "reached the threshold of 0.5 but was not taken" in said
    assert f"Not taken: story {first.article_id[:8]} “Blaze at a mill”: split by ann (edit 1)" in said


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KafkaTimeoutError("late"), "Kafka at 127.0.0.1:9 does not answer (KafkaTimeoutError)."),
        (NoConnection("refused"), "Elasticsearch at http://127.0.0.1:9 does not answer correctly: Connection"),
    ],
)
def test_a_server_that_does_not_answer_ends_in_a_sentence(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ElasticsearchSettings(kafka_bootstrap="127.0.0.1:9", elasticsearch_url="http://127.0.0.1:9")
    assert problem(settings, error).startswith(sentence)
    with pytest.raises(SystemExit, match="1"), answering(settings, "Nothing was changed."):
        raise error
    assert capsys.readouterr().err.strip().endswith("Nothing was changed.")

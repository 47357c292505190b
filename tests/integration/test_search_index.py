"""What the index gives to those who search it: stems are found and shown, and stories that were merged are left out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from services.common.elastic import EVERY_STORY, make_client
from services.common.languages import ANALYZERS
from services.indexer.bulk import make_action
from services.indexer.documents import read_article, to_article_document, to_story_document
from services.indexer.indices import ensure_indices
from services.indexer.settings import IndexerSettings
from services.search.search import Search, run_search
from tests.conftest import NOW
from tests.examples import EXAMPLES, GROUPED_EXAMPLES

TEXTS = {
    "nl": ("De fabrieken in Bergen worden maandag gesloten.", "fabriek", "fabrieken"),
    "en": ("The bridges were closed on Monday, the council said.", "bridge", "bridges"),
    "de": ("Die Häuser am Hafen werden im Sommer abgerissen.", "Haus", "Häuser"),
    "ru": ("Министр посетил больницы в Твери в понедельник.", "больница", "больницы"),
    "es": ("Los trabajadores cerraron ayer las fábricas del puerto.", "fábrica", "fábricas"),
    "ar": ("زار الوزير المدارس في العاصمة يوم الاثنين", "مدارس", "المدارس"),
    "zh": ("部长星期一访问了港口城市。", "港口", "港口"),
    "pt-BR": ("Os trabalhadores fecharam ontem as fábricas do porto.", "fábrica", "fábricas"),
}


@pytest.fixture(scope="module")
def settings(stack: Any) -> IndexerSettings:
    return IndexerSettings(home=stack.home, namespace=f"t{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def client(settings: IndexerSettings) -> Iterator[Elasticsearch]:
    """An index with one article in each of these languages, and two stories of which one was merged into the other."""
    made = make_client(settings)
    ensure_indices(made, settings)
    example = json.loads(GROUPED_EXAMPLES["v2-opened.json"])
    lines = b""
    for number, (language, (text, _, _)) in enumerate(TEXTS.items()):
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, language))
        fields = {"article_id": name, "duplicate_group": name, "title": None, "headline": text, "text": text}
        message = json.dumps({**example, **fields, "language": {"code": language, "confidence": 1.0}}).encode()
        article, read = read_article(message)
        action = make_action(settings.name("articles"), name, number + 1, to_article_document(article, read, NOW))
        lines += action.lines()
    for name in ("v2", "v2-merged"):
        story = json.loads((EXAMPLES / "stories" / "valid" / f"{name}.json").read_bytes())
        story["story_id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        lines += make_action(settings.name("stories-write"), story["story_id"], 1, stored(story)).lines()
    answer: Any = made.bulk(body=lines, refresh=True)
    assert not answer["errors"], answer
    yield made
    made.close()


def stored(story: dict[str, Any]) -> dict[str, Any]:
    from schemas.story import Story

    return to_story_document(Story.model_validate_json(json.dumps(story)))


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("is_stated", [True, False])
def test_a_stem_is_found_and_highlighted_in_the_text(
    client: Elasticsearch, settings: IndexerSettings, language: str, *, is_stated: bool
) -> None:
    text, query, word = TEXTS[language]
    found = run_search(client, settings.name("articles"), Search(query, language=language if is_stated else None))
    (hit,) = [hit for hit in found.hits if hit.article["text"] == text]
    assert f"<em>{word}</em>" in hit.highlights[0].replace("</em><em>", "")


def test_the_text_is_stored_once(client: Elasticsearch, settings: IndexerSettings) -> None:
    for hit in client.search(index=settings.name("articles"), size=20)["hits"]["hits"]:
        assert "localized" not in hit["_source"]
        assert hit["_source"]["text"]
    fields: Any = client.indices.get_mapping(index=settings.name("articles"))
    (mapping,) = (one["mappings"] for one in fields.values())
    assert {*ANALYZERS.values()} <= mapping["properties"]["localized"]["properties"].keys()


def test_readers_do_not_see_merged_stories(client: Elasticsearch, settings: IndexerSettings) -> None:
    def merged(alias: str) -> list[bool]:
        hits = client.search(index=settings.name(alias))["hits"]["hits"]
        return sorted(bool(hit["_source"]["merged_into"]) for hit in hits)

    assert merged("stories") == [False]
    assert merged(EVERY_STORY) == [False, True]


AGGREGATIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "date_histogram": lambda field: {"date_histogram": {"field": field, "calendar_interval": "day"}},
    "terms": lambda field: {"terms": {"field": field}},
    "avg": lambda field: {"avg": {"field": field}},
}


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("date_histogram", "event_at"),
        ("date_histogram", "indexed_at"),
        ("terms", "event_at_source"),
        ("terms", "headline.keyword"),
        ("terms", "persons"),
        ("terms", "organisations"),
        ("terms", "places_named"),
        ("terms", "countries"),
        ("terms", "entity_ids"),
        ("avg", "words"),
        ("avg", "stages.entities"),
    ],
)
def test_what_users_of_kibana_ask_is_answered(
    client: Elasticsearch, settings: IndexerSettings, kind: str, field: str
) -> None:
    answer: Any = client.search(index=settings.name("articles"), size=0, aggs={"asked": AGGREGATIONS[kind](field)})
    assert "asked" in answer["aggregations"]
    sort: Any = client.search(index=settings.name("articles"), sort=[{"event_at": "desc"}, "headline.keyword"])
    assert sort["hits"]["hits"]

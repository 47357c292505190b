"""What a person types finds stories and articles, or a sentence says why not."""

from __future__ import annotations

import pytest

from services.indexer.indices import NOT_MERGED
from services.search.search import SearchError
from services.search.stories import MIN_PREFIX, Library, headline_in, title_of
from tests.fakes import FakeElasticsearch

FIRE, COPY, FLOOD = (f"{digits}-0000-5000-8000-000000000000" for digits in ("aaaaaaaa", "aaaaaaab", "bbbbbbbb"))
OLD, TWIN = "cccccccc-0000-5000-8000-000000000000", "aaaaaaaa-1111-5000-8000-000000000000"


def article(article_id: str, story_id: str, hour: int, **fields: object) -> dict[str, object]:
    values = {
        "article_id": article_id,
        "story_id": story_id,
        "guid": f"guid-{article_id[:8]}",
        "url": f"https://example.org/{article_id[:8]}",
        "title": None,
        "text": "A paper mill burned in Zwolle. " * 9,
        "fetched_at": f"2026-01-01T{hour:02}:00:00Z",
    }
    return values | fields


def story(story_id: str, day: int, **fields: object) -> dict[str, object]:
    values = {
        "story_id": story_id,
        "title": f"Story {story_id[:8]}",
        "languages": ["nl"],
        "last_seen_at": f"2026-01-{day:02}T00:00:00Z",
        "articles": 1,
        "editions": [],
    }
    return values | fields


@pytest.fixture
def elastic() -> FakeElasticsearch:
    fake = FakeElasticsearch()
    for member in (article(COPY, FIRE, 2), article(FIRE, FIRE, 1, title="Fire"), article(FLOOD, FLOOD, 3)):
        fake.put("articles-v2", str(member["article_id"]), member)
    for stored in (
        story(FIRE, 1, editions=[{"article_id": COPY}, {"article_id": FIRE}]),
        story(FLOOD, 3, languages=["en", "nl"]),
        story(OLD, 5, merged_into=FIRE),
    ):
        fake.put("stories-v2", str(stored["story_id"]), stored)
    fake.aliases |= {
        "articles": {"articles-v2": True},
        "stories": {"stories-v2": True},
        "stories-all": {"stories-v2": True},
    }
    fake.filters["stories"] = NOT_MERGED
    return fake


@pytest.fixture
def library(elastic: FakeElasticsearch) -> Library:
    return Library(elastic.client(), "articles", "stories", "stories-all")


def test_an_article_without_a_title_is_called_by_its_beginning() -> None:
    assert title_of({"title": "Fire", "text": "x"}) == "Fire"
    assert title_of({"title": None, "text": "y" * 300}) == "y" * 100


@pytest.mark.parametrize(
    "name", [FLOOD, FLOOD[:8], FLOOD[:12].upper(), "guid-bbbbbbbb", "https://example.org/bbbbbbbb"]
)
def test_an_article_is_found_by_id_its_beginning_guid_or_url(library: Library, name: str) -> None:
    assert library.article(name)["article_id"] == FLOOD


def test_a_beginning_must_have_eight_characters(library: Library) -> None:
    with pytest.raises(SearchError, match="No article has the id, guid or URL 'bbbbbbb'"):
        library.article(FLOOD[: MIN_PREFIX - 1])


def test_a_name_of_two_articles_is_refused(library: Library, elastic: FakeElasticsearch) -> None:
    elastic.put("articles-v2", TWIN, article(TWIN, TWIN, 4))
    assert library.article(FIRE)["article_id"] == FIRE
    with pytest.raises(SearchError, match="'aaaaaaaa' names more than one article; write more of the id"):
        library.article("aaaaaaaa")


def test_a_story_is_found_by_its_id_or_its_beginning(library: Library, elastic: FakeElasticsearch) -> None:
    assert library.story(FLOOD)["story_id"] == library.story("BBBBBBBB")["story_id"] == FLOOD
    with pytest.raises(SearchError, match="'bbbb' names no story"):
        library.story("bbbb")
    elastic.put("stories-v2", TWIN, story(TWIN, 2))
    with pytest.raises(SearchError, match="'aaaaaaaa' names more than one story; write more of the id"):
        library.story("aaaaaaaa")


def test_a_merged_story_is_followed_to_its_end(library: Library, elastic: FakeElasticsearch) -> None:
    older = "dddddddd-0000-5000-8000-000000000000"
    elastic.put("stories-v2", older, story(older, 1, merged_into=OLD))
    assert library.follow(library.story(older))["story_id"] == FIRE
    whole = library.story(FLOOD)
    assert library.follow(whole) is whole


def test_stories_that_were_merged_into_each_other_do_not_go_round_for_ever(
    library: Library, elastic: FakeElasticsearch
) -> None:
    elastic.put("stories-v2", FIRE, story(FIRE, 1, merged_into=OLD))
    assert library.follow(library.story(OLD))["story_id"] == FIRE


def test_members_are_in_the_order_in_which_they_were_fetched(library: Library) -> None:
    assert [member["article_id"] for member in library.members(FIRE)] == [FIRE, COPY]
    assert [member["article_id"] for member in library.members(FIRE, 1)] == [FIRE]


@pytest.mark.parametrize(
    ("language", "since", "size", "ids"),
    [
        (None, None, 10, [FLOOD, FIRE]),
        (None, None, 1, [FLOOD]),
        ("en", None, 10, [FLOOD]),
        (None, "2026-01-02", 10, [FLOOD]),
        ("nl", "2026-01-04", 10, []),
    ],
)
def test_the_latest_stories_come_first_without_merged_ones(
    library: Library, language: str | None, since: str | None, size: int, ids: list[str]
) -> None:
    assert [found["story_id"] for found in library.latest(language, since, size)] == ids


def test_titles_are_those_of_articles_then_of_stories(library: Library, elastic: FakeElasticsearch) -> None:
    unnamed = "eeeeeeee-0000-5000-8000-000000000000"
    elastic.put("stories-v2", unnamed, story(unnamed, 1, title=None))
    titles = library.titles([FIRE, COPY, OLD, unnamed, TWIN])
    assert titles[FIRE] == "Fire"
    assert titles[COPY].startswith("A paper mill burned")
    assert titles[OLD] == "Story cccccccc"
    assert titles.keys() == {FIRE, COPY, OLD}
    assert library.titles([]) == {}


def test_a_member_is_an_article_or_the_most_central_one_of_a_story(library: Library) -> None:
    assert library.member("guid-aaaaaaaa")["article_id"] == FIRE
    assert library.member(OLD)["article_id"] == COPY


def test_what_names_neither_is_said_as_of_an_article(library: Library, elastic: FakeElasticsearch) -> None:
    with pytest.raises(SearchError, match="No article has the id, guid or URL 'nothing'"):
        library.member("nothing")
    empty = "eeeeeeee-0000-5000-8000-000000000000"
    elastic.put("stories-v2", empty, story(empty, 1))
    with pytest.raises(SearchError, match="No article has the id"):
        library.member(empty)


def test_an_article_is_shown_without_its_raw_content_and_given_whole(
    library: Library, elastic: FakeElasticsearch
) -> None:
    """A document of schema version 1 has the raw content."""
    library.article(FIRE)
    assert library.whole_article(FIRE)["article_id"] == FIRE
    asked = [content["_source"]["excludes"] for _, _, content in elastic.requests if "_source" in content]
    assert {"content", "paragraphs", "removed"} <= set(asked[0])
    assert asked[-1] == ["embedding", "localized"]
    with pytest.raises(SearchError, match="No article has the id"):
        library.whole_article("nobody")


EDITIONS = [
    {"language": "en", "title": "Fire in Bergen", "headline": "Fire in Bergen", "sentence": "A mill burned."},
    {"language": "pt-BR", "title": None, "headline": "Um moinho queimou.", "sentence": "Um moinho queimou."},
    {"language": "nl", "title": None, "sentence": "Een molen brandde."},
]


@pytest.mark.parametrize(
    ("languages", "headline"),
    [
        ((), "Brann i Bergen"),
        (("nl", "en"), "Een molen brandde."),
        (("fr", "en", "nl"), "Fire in Bergen"),
        (("pt",), "Um moinho queimou."),
        (("pt-PT", "en"), "Um moinho queimou."),
        (("fr",), "Brann i Bergen"),
    ],
)
def test_a_headline_is_in_the_first_language_of_the_reader_that_there_is(
    languages: tuple[str, ...], headline: str
) -> None:
    story_in_three = {"story_id": FIRE, "title": "Brann i Bergen", "headline": "Brann", "editions": EDITIONS}
    assert headline_in(story_in_three, languages) == headline


def test_a_story_without_any_words_has_a_dash() -> None:
    assert headline_in({"story_id": FIRE, "title": None, "editions": []}) == "-"

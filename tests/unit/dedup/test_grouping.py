"""The grouping: the five seeds are five stories, and the same rows always give the same decisions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from schemas.article import EventSource
from services.common.messages import decode, encode
from services.dedup.articles import ArticlePart, GroupedPart
from services.dedup.grouping import Grouper, GroupingOutcome
from services.dedup.rows import ArticleRow
from tests.conftest import NOW
from tests.unit.dedup.conftest import document_version

WINDOW = timedelta(days=14)
Enrich = Callable[..., ArticlePart]


def group_all(grouper: Grouper, articles: list[ArticlePart]) -> list[GroupedPart]:
    found = [grouper.take(article).article for article in articles]
    return [article for article in found if article is not None]


def seeds(enriched: Enrich, seed_texts: dict[str, str]) -> list[ArticlePart]:
    return [enriched(text, guid=name) for name, text in seed_texts.items()]


def test_the_seeds_are_five_stories_and_no_duplicates(enriched: Enrich, seed_texts: dict[str, str]) -> None:
    """All five share Xi, Putin, China and Russia. Names that are always in the news must not merge them."""
    for articles in (seeds(enriched, seed_texts), seeds(enriched, seed_texts)[::-1]):
        found = group_all(Grouper(WINDOW), articles)
        assert len({article.story_id for article in found}) == 5
        assert not [article for article in found if article.duplicate_of]


REPORT_A = (
    "A fire in the Grand Hotel of Brighton killed three people on Saturday, Sussex police said. The blaze started at "
    "04:15 in a kitchen on the second floor. Fire chief Helen Marchbank said 112 guests were led to safety."
)
REPORT_B = (
    "Three guests died when flames swept through the Grand Hotel in Brighton early on Saturday. Helen Marchbank of the "
    "fire brigade said the alarm came at 04:15; 112 people were rescued, Sussex police added."
)
OTHER = (
    "The Bank of England raised its rate to 4.5 per cent on Thursday. Governor Andrew Bailey said inflation would fall "
    "before Christmas, but economists at Barclays expect another rise in August."
)


def test_two_reports_of_one_event_are_one_story_and_say_why(enriched: Enrich) -> None:
    first, other, second = group_all(
        Grouper(WINDOW), [enriched(text, guid=text[:9]) for text in (REPORT_A, OTHER, REPORT_B)]
    )
    assert second.story_id == first.article_id
    assert second.duplicate_of is None
    assert other.story_id == other.article_id
    assert other.story_reason.opened
    assert {"Marchbank", "Brighton"} <= {label.partition(" (")[0] for label in second.story_reason.shared}
    assert {"04", "15", "112"} == set(second.story_reason.numbers)
    assert second.story_reason.nearest == first.article_id
    parts = second.story_reason.parts
    assert abs(sum(part.score for part in parts) - second.story_score) < 0.1


def test_time_works_against_joining(enriched: Enrich) -> None:
    late = NOW - timedelta(days=400)
    first, second = group_all(
        Grouper(WINDOW),
        [enriched(REPORT_A, guid="a", published_at=NOW), enriched(REPORT_B, guid="b", published_at=late)],
    )
    assert second.story_id != first.story_id


def test_a_rebuilt_grouper_decides_the_same(enriched: Enrich, seed_texts: dict[str, str]) -> None:
    """After any number of articles, the encoded rows are enough to give the same decisions."""
    articles = [*seeds(enriched, seed_texts)]
    articles += [enriched(text, guid=text[:9]) for text in (REPORT_A, OTHER, REPORT_B)]
    articles += [enriched(text[: len(text) // 2], guid=f"half {name}") for name, text in seed_texts.items()]
    undisturbed = group_all(Grouper(WINDOW), articles)
    for cut in range(1, len(articles)):
        before = Grouper(WINDOW)
        first = group_all(before, articles[:cut])
        rows = [decode(ArticleRow, encode(row)) for row in before.rows.values()]
        after = Grouper.rebuild(WINDOW, {row.article_id: row for row in rows[::-1]})
        assert first + group_all(after, articles[cut:]) == undisturbed


def test_a_redelivered_article_gets_its_own_decision_again(enriched: Enrich, seed_texts: dict[str, str]) -> None:
    """A crash between the row and the message must not make an article a duplicate of itself."""
    grouper = Grouper(WINDOW)
    article = seeds(enriched, seed_texts)[0]
    first, again = grouper.take(article), grouper.take(article)
    assert again.outcome is GroupingOutcome.REPEATED
    assert again.article == first.article
    assert again.changed == first.changed


def test_an_older_revision_changes_nothing(enriched: Enrich) -> None:
    grouper = Grouper(WINDOW)
    article_id = enriched(REPORT_A, guid="a", revision=10).article_id
    grouper.take(enriched(REPORT_A, guid="a", revision=10))
    result = grouper.take(enriched(REPORT_B, guid="a", revision=9))
    assert (result.outcome, result.article, result.changed) == (GroupingOutcome.SUPERSEDED, None, ())
    assert grouper.rows[article_id].article.revision == 10


def test_document_versions_grow_with_the_revision(enriched: Enrich) -> None:
    grouper = Grouper(WINDOW)
    old = grouper.take(enriched(REPORT_A, guid="a", revision=10)).article
    new = grouper.take(enriched(REPORT_A + " More.", guid="a", revision=11)).article
    assert old is not None
    assert new is not None
    assert document_version(new) > document_version(old)
    assert new.story_id == old.story_id


def test_stories_count_and_their_revision_grows(enriched: Enrich) -> None:
    grouper = Grouper(WINDOW)
    articles = [(REPORT_A, "a", "one"), (REPORT_B, "b", "two"), (REPORT_B, "c", "two")]
    told = []
    for text, guid, source in articles:
        (story_id,) = grouper.take(enriched(text, guid=guid, source_id=source)).changed
        told.append(grouper.story(story_id))
    first, second, copy = told
    assert first is not None
    assert second is not None
    assert copy is not None
    assert (second.articles, second.sources, second.duplicates) == (2, ("one", "two"), 0)
    assert (copy.articles, copy.duplicates) == (3, 1)
    assert first.revision < second.revision < copy.revision


def test_the_stream_expires_rows_not_the_clock(enriched: Enrich) -> None:
    grouper = Grouper(WINDOW)
    grouper.take(enriched(REPORT_A, guid="old"))
    later = NOW + timedelta(days=15)
    result = grouper.take(enriched(REPORT_B, guid="new", fetched_at=later))
    assert list(grouper.rows) == list(grouper.live) == [result.article.article_id if result.article else None]
    fresh = grouper.take(enriched(REPORT_A, guid="copy", fetched_at=later)).article
    assert fresh is not None
    assert fresh.duplicate_of is None


def test_a_clock_that_is_wrong_somewhere_does_not_move_the_window(enriched: Enrich) -> None:
    """`fetched_at` cannot be later than the time of the message in Kafka."""
    grouper = Grouper(WINDOW)
    sent_at = int(NOW.timestamp() * 1000)
    grouper.take(enriched(REPORT_A, guid="a"), timestamp_ms=sent_at)
    future = grouper.take(enriched(OTHER, guid="b", fetched_at=NOW + timedelta(days=65_000)), timestamp_ms=sent_at)
    assert future.article is not None
    assert grouper.rows[future.article.article_id].article.fetched_at == NOW
    assert len(grouper.rows) == 2


def test_a_newer_enrichment_of_the_same_revision_replaces_the_document(enriched: Enrich) -> None:
    """`dragoman reenrich`: the content is the same, so the decision stays."""
    grouper = Grouper(WINDOW)
    first = grouper.take(enriched(REPORT_A, guid="a")).article
    copy = grouper.take(enriched(REPORT_A + " More.", guid="b")).article
    assert first is not None
    assert copy is not None
    assert copy.duplicate_of == first.article_id
    again = enriched(REPORT_A, guid="a").model_copy(update={"enrichment": 7, "byline": "Ann"})
    result = grouper.take(again)
    assert result.outcome is GroupingOutcome.GROUPED
    assert result.article is not None
    assert (result.article.byline, result.article.story_id) == ("Ann", first.story_id)
    assert document_version(result.article) == document_version(first) + 1
    assert grouper.take(again).article == result.article, "a redelivered message changes nothing"
    older = grouper.take(enriched(REPORT_A, guid="a"))
    assert older.outcome is GroupingOutcome.REPEATED
    assert older.article == result.article, "a repaired document is that of the newest enrichment"
    rebuilt = Grouper.rebuild(WINDOW, grouper.rows)
    assert rebuilt.take(again).article == result.article


def test_a_new_enrichment_of_an_article_that_left_the_window_decides_nothing(enriched: Enrich) -> None:
    """Its decision stands in the index. A new one would be another, and the next reindex would show it."""
    grouper = Grouper(WINDOW)
    later = enriched(REPORT_B, guid="later").model_copy(update={"fetched_at": NOW + 2 * WINDOW})
    grouper.take(later)
    old = enriched(REPORT_A, guid="old").model_copy(update={"enrichment": 7})
    assert grouper.take(old).outcome is GroupingOutcome.SUPERSEDED
    assert set(grouper.rows) == {later.article_id}
    inside = old.model_copy(update={"fetched_at": NOW + 2 * WINDOW})
    assert grouper.take(inside).outcome is GroupingOutcome.GROUPED


def test_a_wrong_clock_gives_no_time_in_the_future(enriched: Enrich) -> None:
    """Kafka knows when the message came. A stated date may be a little later than that, and no more."""
    stored_ms = int(NOW.timestamp() * 1000)
    last = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    for stated, source, wanted in (
        (last, EventSource.FETCHED, NOW),
        (last, EventSource.STATED, NOW),
        (NOW + timedelta(hours=20), EventSource.STATED, NOW + timedelta(hours=20)),
        (NOW - timedelta(days=3), EventSource.FEED, NOW - timedelta(days=3)),
    ):
        grouper = Grouper(WINDOW)
        update = {"fetched_at": last, "event_at": stated, "event_at_source": source}
        taken = grouper.take(enriched(REPORT_A, guid="a").model_copy(update=update), timestamp_ms=stored_ms).article
        assert taken is not None
        assert (taken.fetched_at, taken.event_at) == (NOW, wanted)
    grouper = Grouper(WINDOW)
    article = enriched(REPORT_A, guid="a").model_copy(update={"fetched_at": last, "event_at": last})
    grouper.take(article)
    story = grouper.story(article.article_id)
    assert story is not None
    assert story.last_event_at.year == 9999

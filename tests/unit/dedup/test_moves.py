"""Stories are merged by articles, and merged, split and pinned by people. A crash at any point changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.story import EditAction, StoryEdit
from services.common.messages import decode, encode
from services.dedup.articles import ArticlePart
from services.dedup.grouping import Grouper, GroupingOutcome, GroupingResult
from services.dedup.rows import ArticleRow
from tests.unit.dedup.conftest import WINDOW, document_version

Reports = dict[str, ArticlePart]
Eager = Callable[..., Grouper]
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Journal(dict[str, ArticleRow]):
    """Rows that remember every write, as the changelog does."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, bytes | None]] = []

    def __setitem__(self, key: str, row: ArticleRow) -> None:
        self.writes.append((key, encode(row)))
        super().__setitem__(key, row)

    def __delitem__(self, key: str) -> None:
        self.writes.append((key, None))
        super().__delitem__(key)


def read(writes: list[tuple[str, bytes | None]]) -> dict[str, ArticleRow]:
    """The rows after a recovery from these changelog records."""
    rows = {key: value for key, value in dict(writes).items() if value is not None}
    return {key: decode(ArticleRow, value) for key, value in rows.items()}


def edit(action: EditAction, articles: list[ArticlePart], other: ArticlePart | None = None) -> StoryEdit:
    return StoryEdit(
        edit_id=f"{action.value}-{len(articles)}",
        action=action,
        articles=tuple(article.article_id for article in articles),
        other=other.article_id if other else None,
        made_at=MADE_AT,
        made_by="ann",
    )


def stories_of(grouper: Grouper) -> dict[str, str]:
    return {article_id: row.decision.story_id for article_id, row in grouper.rows.items()}


def take_all(grouper: Grouper, articles: list[ArticlePart]) -> list[GroupingResult]:
    return [grouper.take(article) for article in articles]


def test_an_article_that_belongs_to_two_stories_merges_them(eager: Eager, reports: Reports) -> None:
    grouper = eager()
    first, second = take_all(grouper, [reports["fire 1"], reports["rate"]])
    assert first.article is not None
    assert second.article is not None
    assert first.article.story_id != second.article.story_id
    result = grouper.take(reports["bridge"])
    assert len(set(stories_of(grouper).values())) == 1
    (emptied,), (moved,) = result.emptied, result.moved
    assert (emptied.articles, emptied.merged_into) == (0, moved.story_id)
    assert moved.decision_seq == 1
    assert moved.story_reason.moved_by == f"merge of {emptied.story_id} when {reports['bridge'].article_id} came"


def test_stories_that_a_person_split_are_not_merged(eager: Eager, reports: Reports) -> None:
    grouper = eager()
    take_all(grouper, [reports["fire 1"], reports["rate"]])
    grouper.apply(edit(EditAction.SPLIT, [reports["rate"]], reports["fire 1"]))
    result = grouper.take(reports["bridge"])
    assert (result.emptied, result.moved) == ((), ())
    assert len(set(stories_of(grouper).values())) == 2


def test_a_merge_keeps_the_larger_story_and_says_where_the_other_went(reports: Reports) -> None:
    grouper = Grouper(WINDOW)
    take_all(grouper, [reports["fire 1"], reports["fire 2"], reports["rate"], reports["match"]])
    result = grouper.apply(edit(EditAction.MERGE, [reports["rate"], reports["fire 2"]]))
    fire, rate = reports["fire 1"].article_id, reports["rate"].article_id
    assert stories_of(grouper)[rate] == fire
    (moved,) = result.moved
    (emptied,) = result.emptied
    assert (moved.article_id, moved.decision_seq, moved.story_id) == (rate, 1, fire)
    assert moved.story_reason.moved_by == "merge by ann (edit merge-2)"
    assert (emptied.story_id, emptied.merged_into, emptied.articles) == (rate, fire, 0)
    story = grouper.story(fire)
    assert story is not None
    assert (story.articles, len(story.sources)) == (3, 3)
    assert grouper.story(rate) is None
    assert emptied.revision > 0


def test_the_document_of_a_moved_article_replaces_the_old_one(reports: Reports) -> None:
    grouper = Grouper(WINDOW)
    results = take_all(grouper, [reports["fire 1"], reports["rate"]])
    (moved,) = grouper.apply(edit(EditAction.MERGE, [reports["fire 1"], reports["rate"]])).moved
    before = next(
        result.article for result in results if result.article and result.article.article_id == moved.article_id
    )
    assert document_version(moved) > document_version(before)
    again = grouper.take(reports["rate"])
    assert again.outcome is GroupingOutcome.REPEATED
    assert again.article == moved


def test_a_split_takes_the_copies_along_and_holds_for_what_comes(
    reports: Reports, enriched: Callable[..., ArticlePart]
) -> None:
    grouper = Grouper(WINDOW)
    copy = enriched(reports["fire 2"].text, guid="copy of fire 2")
    take_all(grouper, [reports["fire 1"], reports["fire 2"], copy])
    assert len(set(stories_of(grouper).values())) == 1
    result = grouper.apply(edit(EditAction.SPLIT, [reports["fire 2"]], reports["fire 1"]))
    stories = stories_of(grouper)
    assert {article.article_id for article in result.moved} == {reports["fire 2"].article_id, copy.article_id}
    assert stories[copy.article_id] == stories[reports["fire 2"].article_id] != reports["fire 1"].article_id
    third = grouper.take(reports["fire 3"])
    assert third.emptied == ()
    assert len(set(stories_of(grouper).values())) == 2


def test_a_split_before_the_articles_come_keeps_them_apart(reports: Reports) -> None:
    grouper = Grouper(WINDOW)
    asked = edit(EditAction.SPLIT, [reports["fire 2"]], reports["fire 1"])
    assert grouper.apply(asked).outcome is GroupingOutcome.PENDING
    _, second = take_all(grouper, [reports["fire 1"], reports["fire 2"]])
    assert second.article is not None
    assert second.article.story_id == second.article.article_id
    assert second.article.story_reason.vetoes == (f"{reports['fire 1'].article_id}: split by ann (edit split-1)",)


def test_a_pin_before_the_articles_come_puts_them_together(reports: Reports) -> None:
    grouper = Grouper(WINDOW)
    grouper.apply(edit(EditAction.PIN, [reports["match"]], reports["rate"]))
    take_all(grouper, [reports["rate"], reports["match"]])
    assert set(stories_of(grouper).values()) == {reports["rate"].article_id}


def test_the_later_of_two_edits_counts(reports: Reports) -> None:
    pin = edit(EditAction.PIN, [reports["match"]], reports["rate"])
    split = edit(EditAction.SPLIT, [reports["match"]], reports["rate"]).model_copy(
        update={"made_at": MADE_AT + timedelta(hours=1)}
    )
    grouper = Grouper(WINDOW)
    take_all(grouper, [reports["rate"], reports["match"]])
    for asked in (pin, split):
        grouper.apply(asked)
    assert len(set(stories_of(grouper).values())) == 2
    rebuilt = Grouper.rebuild(WINDOW, dict(grouper.rows), dict(grouper.edits))
    assert rebuilt.constraints == grouper.constraints


def test_an_emptied_story_is_told_and_a_diminished_one_gets_a_new_revision(reports: Reports) -> None:
    grouper = Grouper(WINDOW)
    take_all(grouper, [reports["fire 1"], reports["fire 2"], reports["rate"]])
    fire = reports["fire 1"].article_id
    before = grouper.story(fire)
    result = grouper.apply(edit(EditAction.PIN, [reports["fire 2"]], reports["rate"]))
    after = grouper.story(fire)
    assert before is not None
    assert after is not None
    assert after.revision > before.revision
    assert set(result.changed) == {fire, reports["rate"].article_id}
    assert result.emptied == ()
    emptied = grouper.apply(edit(EditAction.PIN, [reports["fire 1"], reports["fire 2"]], reports["rate"])).emptied
    assert [(story.story_id, story.merged_into) for story in emptied] == [(fire, reports["rate"].article_id)]


@pytest.mark.parametrize("asked", [None, EditAction.MERGE, EditAction.SPLIT, EditAction.PIN])
def test_a_crash_between_any_two_writes_changes_nothing(
    eager: Eager, reports: Reports, asked: EditAction | None
) -> None:
    """A crash after any changelog record, a recovery and a redelivery give the same decisions as no crash."""
    articles = list(reports.values())
    made = edit(asked, [reports["fire 2"], reports["match"]], reports["fire 1"]) if asked else None
    undisturbed, journal = eager(rows=Journal()), None
    steps: list[Any] = [*articles[:6], *([made] if made else []), *articles[6:]]
    ends, emptied_by = [0], list[set[str]]()
    for step in steps:
        emptied_by.append({story.story_id for story in run(undisturbed, step).emptied})
        journal = undisturbed.rows
        assert isinstance(journal, Journal)
        ends.append(len(journal.writes))
    assert isinstance(journal, Journal)
    assert made or any(row.absorbed for row in undisturbed.rows.values())
    for number, step in enumerate(steps):
        for cut in range(ends[number], ends[number + 1] + 1):
            edits = {made.edit_id: made} if made and steps.index(made) <= number else {}
            weights = undisturbed.stories.weights
            crashed = Grouper.rebuild(WINDOW, read(journal.writes[:cut]), edits, weights=weights)
            told: dict[str, str] = {}
            emptied: set[str] = set()
            for again in steps[number:]:
                result = run(crashed, again)
                emptied |= {story.story_id for story in result.emptied}
                for article in (result.article, *result.moved):
                    if article is not None:
                        told[article.article_id] = article.story_id
            assert stories_of(crashed) == stories_of(undisturbed), (number, cut)
            assert emptied >= set().union(*emptied_by[number:]), (number, cut)
            moved_by_step = {key for key, _ in journal.writes[ends[number] : ends[number + 1]]}
            for article_id in moved_by_step & told.keys():
                assert told[article_id] == stories_of(undisturbed)[article_id]
            assert step is not None


def run(grouper: Grouper, step: ArticlePart | StoryEdit) -> GroupingResult:
    return grouper.apply(step) if isinstance(step, StoryEdit) else grouper.take(step)


def renamed(article: ArticlePart, article_id: str, *earlier: ArticlePart) -> ArticlePart:
    """The article under another id, with a newer revision, in place of earlier ones."""
    ids = tuple(known.article_id for known in earlier)
    update = {"article_id": article_id, "revision": article.revision + 1000, "replaces": ids}
    return article.model_copy(update=update)


NEW_ID = "9f1c3f0e-5a7b-5c3d-8e2f-1a2b3c4d5e6f"


def test_an_article_with_a_new_id_takes_the_place_of_its_earlier_one(eager: Eager, reports: Reports) -> None:
    grouper = eager()
    (first,) = take_all(grouper, [reports["fire 1"]])
    copy = reports["fire 1"].model_copy(update={"article_id": "9f1c3f0e-5a7b-5c3d-8e2f-1a2b3c4d5e70"})
    copied = grouper.take(copy)
    assert first.article is not None
    assert copied.article is not None
    assert copied.article.duplicate_of == reports["fire 1"].article_id
    result = grouper.take(renamed(reports["fire 1"], NEW_ID, reports["fire 1"]))
    assert result.removed == (reports["fire 1"].article_id,)
    assert result.article is not None
    assert (result.article.story_id, result.article.duplicate_of) == (first.article.story_id, None)
    assert [(moved.article_id, moved.duplicate_of, moved.decision_seq) for moved in result.moved] == [
        (copy.article_id, NEW_ID, 1)
    ]
    assert result.emptied == ()
    assert set(grouper.rows) == set(grouper.live) == {NEW_ID, copy.article_id}


def test_two_ids_of_one_article_become_one_and_the_story_of_the_other_ends(eager: Eager, reports: Reports) -> None:
    grouper = eager()
    take_all(grouper, [reports["fire 1"], reports["rate"]])
    result = grouper.take(renamed(reports["fire 1"], reports["fire 1"].article_id, reports["rate"]))
    (emptied,) = result.emptied
    assert (emptied.story_id, emptied.articles) == (reports["rate"].article_id, 0)
    assert emptied.merged_into == reports["fire 1"].article_id
    assert set(grouper.rows) == {reports["fire 1"].article_id}
    assert list(grouper.stories.story_ids()) == [reports["fire 1"].article_id]


def test_a_crash_while_an_id_is_replaced_leaves_neither_two_articles_nor_none(eager: Eager, reports: Reports) -> None:
    new = renamed(reports["fire 1"], NEW_ID, reports["fire 1"], reports["rate"])
    journal = Journal()
    grouper = eager(rows=journal)
    take_all(
        grouper, [reports["fire 1"], reports["rate"], reports["flood"] if "flood" in reports else reports["bridge"]]
    )
    begun = len(journal.writes)
    grouper.take(new)
    for cut in range(begun, len(journal.writes) + 1):
        rows = read(journal.writes[:cut])
        again = Grouper.rebuild(grouper.window, rows, {}, 1, grouper.stories.weights)
        result = again.take(new)
        assert set(result.removed) == set(new.replaces)
        assert set(again.rows) == set(again.live) == set(journal)
        assert NEW_ID in again.live

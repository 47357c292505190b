"""Moves articles from one story to another, for merges that a new article causes and for edits of people.

Every move raises the article's `decision_seq`, so that its document in the index is replaced. If a message is
redelivered after a crash, moves that were already made are reported again, and the missing moves are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from schemas.story import EditAction, Story, StoryEdit
from services.dedup.articles import ArticlePart, GroupedPart
from services.dedup.digests import Digests, digest_of, pack
from services.dedup.edits import describe_edit, split_story_id
from services.dedup.live import LiveArticles
from services.dedup.profiles import LiveArticle
from services.dedup.rows import ArticleRow, Rows, to_grouped
from services.dedup.stories import StoryIndex


@dataclass(slots=True)
class Mover:
    """The moves of one message: the stories that it changed or emptied, and the articles that it moved."""

    rows: Rows
    stories: StoryIndex
    digests: Digests
    version: int
    changed: dict[str, None] = field(default_factory=dict)
    emptied: list[Story] = field(default_factory=list)
    _moved: dict[str, None] = field(default_factory=dict)

    @property
    def live(self) -> LiveArticles:
        """The live articles."""
        return self.stories.live

    def grouped(self) -> tuple[GroupedPart, ...]:
        """The moved articles with their current decisions."""
        return tuple(to_grouped(self.rows[article_id], self.version) for article_id in self._moved)

    def absorb(self, by: str, survivor: str, absorbed: str, words: str | None = None) -> None:
        """Move every article of one story into another. `by` is the article or the edit that causes it."""
        words = words or f"merge of {absorbed} when {by} came"
        moved = [member.article_id for member in self.stories.members(absorbed)]
        if moved:
            self.move(moved, survivor, by, words)
        self._report_moved(survivor, by)

    def move(self, article_ids: list[str], story_id: str, by: str, words: str) -> None:
        """Move articles into a story. The story may be new."""
        members = self.stories.members(story_id)
        revision = max([member.story_revision for member in members], default=0)
        opened = members[0].opened if members else None
        left = dict.fromkeys(self.live[article_id].story_id for article_id in article_ids)
        for diminished in left:
            self._touch(self.stories.members(diminished), set(article_ids))
        for article_id in article_ids:
            article = self.live[article_id]
            revision = max(revision, article.story_revision) + 1
            opened = article.opened if opened is None else opened
            self._write(article, story_id, (revision, opened), by, words)
        self.changed |= left
        self.changed[story_id] = None

    def leave(self, row: ArticleRow) -> None:
        """Note that an article goes out of its story, because it is another article's earlier id."""
        story_id = row.decision.story_id
        self._touch(self.stories.members(story_id), {row.article_id})
        self.changed[story_id] = None

    def retarget(self, article: ArticlePart) -> None:
        """Make copies of an article's earlier ids copies of the article."""
        earlier = set(article.replaces)
        copies = [known for known in self.live.values() if known.duplicate_of in earlier]
        for copy in (known for known in copies if known.article_id != article.article_id):
            row = self.rows[copy.article_id]
            decision = row.decision.model_copy(update={"duplicate_of": article.article_id})
            update = {"decision": decision, "decision_seq": row.decision_seq + 1}
            self._save(row.model_copy(update=update), copy)
            self._moved[row.article_id] = None

    def report_left(self, story_id: str, survivor: str, article: ArticlePart) -> None:
        """Report that a story of an earlier id has no articles any more. `survivor` has them now."""
        self.changed.pop(story_id, None)
        self.emptied.append(
            Story(
                story_id=story_id,
                title=article.title,
                headline=article.headline,
                languages=(article.language.code,),
                sources=(article.source_id,),
                first_seen_at=article.fetched_at,
                last_seen_at=article.fetched_at,
                first_event_at=article.event_at,
                last_event_at=article.event_at,
                growth=0.0,
                articles=0,
                duplicates=0,
                entities=(),
                merged_into=survivor,
                grouping_version=self.version,
                # Stories start at the Unix second of their first article, which is older than this article.
                revision=article.revision + 1,
            )
        )

    def apply(self, edit: StoryEdit) -> None:
        """Carry out an edit. Articles that are not live are left out."""
        here = [article_id for article_id in edit.articles if article_id in self.live]
        if edit.action is EditAction.MERGE:
            self._merge(here, edit)
        elif edit.action is EditAction.SPLIT:
            self._split(here, edit)
        elif edit.other and edit.other in self.live:
            self._gather(here, self.live[edit.other].story_id, edit)
        for story_id in dict.fromkeys(self.live[article_id].story_id for article_id in here):
            self.changed[story_id] = None
            self._report_moved(story_id, edit.edit_id)

    def _report_moved(self, story_id: str, by: str) -> None:
        """Report every article that this message moved here, now or before a crash, and the stories that it emptied."""
        rows = [self.rows[member.article_id] for member in self.stories.members(story_id)]
        moved = [row for row in rows if row.moved_by == by]
        self._moved |= dict.fromkeys(row.article_id for row in moved)
        for left in dict.fromkeys(row.moved_from for row in moved):
            if left and not self.stories.members(left) and all(story.story_id != left for story in self.emptied):
                self._report_emptied(left, story_id, [row.article_id for row in moved if row.moved_from == left])
        if moved:
            self.changed[story_id] = None

    def _merge(self, here: list[str], edit: StoryEdit) -> None:
        """Merge all stories of these articles into the largest one. Among equally large stories the oldest wins."""
        stories = sorted(
            {self.live[article_id].story_id for article_id in here},
            key=lambda story_id: (-len(self.stories.members(story_id)), self.stories.members(story_id)[0].slot),
        )
        for absorbed in stories[1:]:
            self.absorb(edit.edit_id, stories[0], absorbed, describe_edit(edit))

    def _split(self, here: list[str], edit: StoryEdit) -> None:
        """Move these articles and their near-duplicates into a story of their own."""
        if edit.other is None or edit.other not in self.live:
            return
        story_id = self.live[edit.other].story_id
        leaving = [article_id for article_id in here if self.live[article_id].story_id == story_id]
        if leaving:
            self._gather(leaving, split_story_id(story_id, edit.edit_id), edit)

    def _gather(self, article_ids: list[str], story_id: str, edit: StoryEdit) -> None:
        """Move articles and their near-duplicates into a story, except those that are already in it."""
        wanted = dict.fromkeys(article_ids)
        for article_id in article_ids:
            for member in self.stories.members(self.live[article_id].story_id):
                if member.duplicate_of == article_id:
                    wanted[member.article_id] = None
        missing = [article_id for article_id in wanted if self.live[article_id].story_id != story_id]
        if missing:
            self.move(missing, story_id, edit.edit_id, describe_edit(edit))

    def _write(self, article: LiveArticle, story_id: str, state: tuple[int, float], by: str, words: str) -> None:
        row = self.rows[article.article_id]
        revision, opened = state
        reason = row.decision.story_reason.model_copy(update={"moved_by": words})
        row = row.model_copy(
            update={
                "decision": row.decision.model_copy(update={"story_id": story_id, "story_reason": reason}),
                "decision_seq": row.decision_seq + 1,
                "story_revision": revision,
                "story_opened_at": datetime.fromtimestamp(opened, UTC),
                "moved_by": by,
                "moved_from": row.decision.story_id,
            }
        )
        self._save(row, article)

    def _touch(self, members: Sequence[LiveArticle], leaving: set[str]) -> None:
        """Raise the revision of a story before it loses articles. The write comes first, so no crash can skip it."""
        stays = next((member for member in members if member.article_id not in leaving), None)
        if stays is not None:
            revision = max(member.story_revision for member in members) + 1
            self._save(self.rows[stays.article_id].model_copy(update={"story_revision": revision}), stays)

    def _save(self, row: ArticleRow, article: LiveArticle) -> None:
        profile = self.live.profile(article)
        self.digests.prepare(row.article_id, pack(digest_of(row, profile)))
        self.rows[row.article_id] = row
        self.stories.move(profile, row.decision.story_id, row.story_opened_at.timestamp())
        article.story_revision, article.duplicate_of = row.story_revision, row.decision.duplicate_of

    def _report_emptied(self, story_id: str, survivor: str, moved: list[str]) -> None:
        """Report the last state of a story without articles: it says where its articles are now."""
        rows = [self.rows[article_id] for article_id in moved]
        times = [row.article.fetched_at for row in rows]
        self.changed.pop(story_id, None)
        self.emptied.append(
            Story(
                story_id=story_id,
                title=next((row.article.title for row in rows if row.article.title), None),
                headline=rows[0].article.headline,
                languages=tuple(sorted({row.article.language.code for row in rows})),
                sources=tuple(sorted({row.article.source_id for row in rows})),
                first_seen_at=min(times),
                last_seen_at=max(times),
                first_event_at=min(row.article.event_at for row in rows),
                last_event_at=max(row.article.event_at for row in rows),
                growth=0.0,
                articles=0,
                duplicates=0,
                entities=(),
                merged_into=survivor,
                grouping_version=self.version,
                revision=max(row.story_revision for row in rows) + 1,
            )
        )

"""The lane's decisions: a pure function of the articles taken so far, and rebuilt from its rows at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice

from schemas.article import EnrichedArticle, GroupedArticle, StoryReason
from schemas.story import Story, StoryEntity
from services.dedup.duplicates import DuplicateIndex
from services.dedup.rows import Decision, Row, to_row
from services.dedup.stories import StoryIndex, StoryMatch, load_weights

MAX_STORY_ENTITIES = 25
EXPIRED_PER_ARTICLE = 4
"""Old rows forgotten with each new one: more than come in, so the window is kept without a pause."""


class Outcome(StrEnum):
    """How an article ends in the lane."""

    GROUPED = "grouped"
    REPEATED = "repeated"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Result:
    """What the lane made of one article: rows to write, rows to forget, messages to send."""

    outcome: Outcome
    row: Row | None = None
    expired: tuple[Row, ...] = ()
    article: GroupedArticle | None = None
    story: Story | None = None


@dataclass(slots=True)
class Grouper:
    """All live articles with their indexes; `version` names the grouping.

    `window` is measured on fetched_at and driven by the stream.
    """

    window: timedelta
    version: int = 1
    rows: dict[str, Row] = field(default_factory=dict)
    _duplicates: DuplicateIndex = field(default_factory=DuplicateIndex)
    _stories: StoryIndex = field(default_factory=StoryIndex)
    _arrivals: int = 0
    _latest: datetime | None = None

    @classmethod
    def rebuild(cls, window: timedelta, rows: Iterable[Row], version: int = 1) -> Grouper:
        """The same state again, from the rows alone."""
        grouper = cls(window, version)
        for row in sorted(rows, key=lambda row: row.arrival):
            grouper._insert(row)
        return grouper

    @property
    def live_stories(self) -> int:
        """Stories with a live article."""
        return len(self._stories)

    def take(self, article: EnrichedArticle, offset: int, timestamp_ms: int | None = None) -> Result:
        """Decide on one article that lies at this source offset, where Kafka put it at `timestamp_ms`."""
        seen_at = article.fetched_at
        if timestamp_ms is not None:  # a wrong clock somewhere must not move the window
            seen_at = min(seen_at, datetime.fromtimestamp(timestamp_ms / 1000, UTC))
            article = article.model_copy(update={"fetched_at": seen_at}) if seen_at != article.fetched_at else article
        known = self.rows.get(article.article_id)
        if known is not None and article.revision < known.revision:
            return Result(Outcome.SUPERSEDED)
        if known is not None and article.revision == known.revision:
            return Result(Outcome.REPEATED, known, (), to_grouped(article, known, self.version), self._story(known))
        row = self._decide(article, offset) if known is None else self._revise(article, known, offset)
        self._insert(row)
        story = self._story(row)
        return Result(Outcome.GROUPED, row, self._expire(), to_grouped(article, row, self.version), story)

    def _decide(self, article: EnrichedArticle, offset: int) -> Row:
        opened = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
        row = to_row(article, opened, arrival=self._arrivals, owner_offset=offset, decision_seq=0, story_revision=1)
        decision = self._duplicate(row) or self._join(row) or opened
        revision = self._next_story_revision(decision, article)
        return row.model_copy(update={"decision": decision, "story_revision": revision})

    def _revise(self, article: EnrichedArticle, known: Row, offset: int) -> Row:
        """A new revision of a known article: new content under the decision that stands."""
        self._forget(known)
        return to_row(
            article,
            known.decision,
            arrival=self._arrivals,
            owner_offset=offset,
            decision_seq=known.decision_seq,
            story_revision=self._next_story_revision(known.decision, article, known.story_revision),
        )

    def _duplicate(self, row: Row) -> Decision | None:
        found = self._duplicates.find(row)
        if found is None:
            return None
        original, reason = found
        return Decision(
            duplicate_of=original.article_id,
            duplicate_score=reason.shingle_containment,
            duplicate_reason=reason,
            story_id=original.decision.story_id,
            story_score=original.decision.story_score,
            story_reason=StoryReason(opened=False, shared=(f"duplicate of {original.article_id}",)),
        )

    def _join(self, row: Row) -> Decision | None:
        ranked = self._stories.rank(row)
        _, threshold = load_weights()
        if not ranked:
            return None
        best, next_best = ranked[0], ranked[1] if len(ranked) > 1 else None
        joins = best.score >= threshold
        runner_up = next_best if joins else best
        return Decision(
            story_id=best.story_id if joins else row.article_id,
            story_score=round(best.score, 4) if joins else 0.0,
            story_reason=_reason(best if joins else None, runner_up),
        )

    def _next_story_revision(self, decision: Decision, article: EnrichedArticle, least: int = 0) -> int:
        members = self._stories.members(decision.story_id)
        last = max((row.story_revision for row in members), default=least)
        return max(last, least) + 1 if members or least else max(1, int(article.fetched_at.timestamp()))

    def _insert(self, row: Row) -> None:
        self.rows[row.article_id] = row
        if row.decision.duplicate_of is None:
            self._duplicates.add(row)
        self._stories.add(row)
        self._arrivals = max(self._arrivals, row.arrival + 1)
        self._latest = max(self._latest or row.fetched_at, row.fetched_at)

    def _forget(self, row: Row) -> None:
        self.rows.pop(row.article_id, None)
        self._duplicates.remove(row)
        self._stories.remove(row)

    def _expire(self) -> tuple[Row, ...]:
        """Forget what fell out of the window; rows lie in order of arrival, so only the oldest are looked at."""
        expired = []
        limit = self._latest - self.window if self._latest else None
        for row in list(islice(self.rows.values(), EXPIRED_PER_ARTICLE)):
            if limit is None or row.fetched_at >= limit:
                break
            self._forget(row)
            expired.append(row)
        return tuple(expired)

    def _story(self, row: Row) -> Story:
        """The story of a row as it is now."""
        members = self._stories.members(row.decision.story_id)
        times = [member.fetched_at for member in members]
        counts = Counter(actor for member in members for actor in member.fingerprint.actors)
        top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_STORY_ENTITIES]
        return Story(
            story_id=row.decision.story_id,
            title=next((member.title for member in members if member.title), None),
            languages=tuple(sorted({member.language for member in members})),
            sources=tuple(sorted({member.source_id for member in members})),
            first_seen_at=min(times),
            last_seen_at=max(times),
            articles=len(members),
            duplicates=sum(member.decision.duplicate_of is not None for member in members),
            entities=tuple(StoryEntity(id=actor, articles=count) for actor, count in top),
            revision=max(member.story_revision for member in members),
        )


def _reason(joined: StoryMatch | None, runner_up: StoryMatch | None) -> StoryReason:
    return StoryReason(
        opened=joined is None,
        shared=joined.features.shared if joined else (),
        cosine=joined.features.cosine if joined else None,
        gap_days=joined.features.gap_days if joined else None,
        runner_up=runner_up.story_id if runner_up else None,
        runner_up_score=round(runner_up.score, 4) if runner_up else None,
    )


def to_grouped(article: EnrichedArticle, row: Row, version: int) -> GroupedArticle:
    """The article under the row's decision, as it is indexed."""
    decision = row.decision
    carried = {name: getattr(article, name) for name in EnrichedArticle.model_fields if name != "fingerprint"}
    return GroupedArticle(
        **carried,
        duplicate_of=decision.duplicate_of,
        duplicate_score=decision.duplicate_score,
        duplicate_reason=decision.duplicate_reason,
        duplicate_group=decision.duplicate_of or article.article_id,
        story_id=decision.story_id,
        story_score=decision.story_score,
        story_reason=decision.story_reason,
        grouping_version=version,
        decision_seq=row.decision_seq,
    )

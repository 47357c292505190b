"""The grouping decisions. They depend only on the articles and edits so far, and can be rebuilt from the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from schemas.article import DuplicateLink, EventSource, StoryReason
from schemas.story import Story, StoryEdit
from services.common.derived import FUTURE_TOLERANCE
from services.dedup.articles import ArticlePart, GroupedPart
from services.dedup.digests import Digest, Digests, NoDigests, digest_of, pack, unpack
from services.dedup.duplicates import LINK_SHINGLES, DuplicateIndex, Overlap
from services.dedup.edits import Constraints
from services.dedup.explain import explain_pair, story_reason, with_facts
from services.dedup.live import LiveArticles
from services.dedup.moves import Mover
from services.dedup.names import EntityNames
from services.dedup.pairs import PairWeights, load_weights
from services.dedup.profiles import DAY_SECONDS, LiveArticle, Profile, to_profile
from services.dedup.rows import ArticleRow, Decision, Rows, to_grouped
from services.dedup.stories import StoryIndex, StoryMatch
from services.dedup.summaries import View, summarise
from services.dedup.updates import is_update

EXPIRED_PER_ARTICLE = 4
"""At most so many old rows are removed with each new one. More can leave than come in, so no pause is needed."""
MAX_LINKS = 5
MERGED_AT_ONCE = 2
"""Maximum number of other stories that a new article may merge into its own story."""
DRIFT_MEMBERS = 50
"""Number of latest members. The median of their stated dates is the date of the story."""


class GroupingOutcome(StrEnum):
    """What dedup did with a message."""

    GROUPED = "grouped"
    REPEATED = "repeated"
    SUPERSEDED = "superseded"
    EDITED = "edited"
    PENDING = "pending"
    """An edit of articles that dedup does not have. It takes effect when they come."""


@dataclass(frozen=True, slots=True)
class GroupingResult:
    """The effects of one message: its article, `moved` articles with a changed decision, ids of `changed` stories.

    `emptied` are stories whose articles all moved to another story. Their last state is sent once more. `removed` are
    ids under which the article was known before: their documents go.
    """

    outcome: GroupingOutcome
    article: GroupedPart | None = None
    moved: tuple[GroupedPart, ...] = ()
    changed: tuple[str, ...] = ()
    emptied: tuple[Story, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(slots=True)
class Grouper:
    """All live articles with their indexes. `version` is the grouping version.

    `rows` and `edits` are the state, and everything else is derived from them. `window` is compared with `fetched_at`.
    The articles of the stream move it on, not the clock.
    """

    window: timedelta
    version: int = 1
    rows: Rows = field(default_factory=dict)
    edits: MutableMapping[str, StoryEdit] = field(default_factory=dict)
    stories: StoryIndex = field(default_factory=StoryIndex)
    constraints: Constraints = field(default_factory=Constraints)
    names: EntityNames = field(default_factory=EntityNames)
    digests: Digests = field(default_factory=NoDigests)
    derived: int = 0
    """Rows that a rebuild found without a digest."""
    _duplicates: DuplicateIndex = field(init=False)
    _arrivals: int = 0
    _latest: float = 0.0

    def __post_init__(self) -> None:
        self._duplicates = DuplicateIndex(self.live)

    @property
    def live(self) -> LiveArticles:
        """The live articles, which all indexes are about."""
        return self.stories.live

    @classmethod
    def rebuild(
        cls,
        window: timedelta,
        rows: Rows,
        edits: MutableMapping[str, StoryEdit] | None = None,
        version: int = 1,
        weights: PairWeights | None = None,
        digests: Digests | None = None,
        folder: Path | None = None,
        on_row: Callable[[], None] = lambda: None,
    ) -> Grouper:
        """Build the same state again from nothing but the rows and edits.

        `digests` makes it quick, and `folder` is for temporary files. `on_row` is called twice for each row, so that
        somebody sees that it goes on.
        """
        stories = StoryIndex(LiveArticles(folder), weights=weights or load_weights())
        grouper = cls(window, version, rows, edits if edits is not None else {}, stories=stories)
        grouper.constraints = Constraints.of(grouper.edits.values())
        if digests is not None:
            grouper.digests = digests
        for article in grouper._read(on_row):
            grouper._insert(grouper.live.profile(article))
            on_row()
        grouper.live.close_unused()
        return grouper

    def _read(self, on_row: Callable[[], None]) -> list[LiveArticle]:
        """The live articles in order of arrival. Their profiles are stored.

        What has no digest yet is derived from the row, and kept. A digest cannot be there without its row, because the
        store writes and removes both in one batch.
        """
        found: dict[str, LiveArticle] = {}
        for packed in self.digests.values():
            digest = unpack(packed)
            if digest is not None:
                found[digest.article.article_id] = self._note(digest)
                on_row()
        if len(found) != len(self.rows):
            there = set(self.rows)
            for article_id in found.keys() - there:
                del found[article_id]
            for article_id in sorted(there - found.keys()):
                digest = digest_of(self.rows[article_id])
                self.digests.keep(article_id, pack(digest))
                found[article_id] = self._note(digest)
                self.derived += 1
                on_row()
        return sorted(found.values(), key=lambda article: article.slot)

    def _note(self, digest: Digest) -> LiveArticle:
        """Store the profile and the entities of a digest. Returns the article, which is not live yet."""
        self.live.store(digest.article.slot, digest.profile)
        self.names.add(digest.entities, digest.article.slot)
        return digest.article

    def take(
        self, article: ArticlePart, *, timestamp_ms: int | None = None, now: datetime | None = None
    ) -> GroupingResult:
        """Decide on one article. `timestamp_ms` is the time at which Kafka stored its message.

        `now` is noted in the row, and nothing depends on it.
        """
        if timestamp_ms is not None:  # a producer with a wrong clock must not move the window
            article = not_after(article, datetime.fromtimestamp(timestamp_ms / 1000, UTC))
        known = self.rows.get(article.article_id)
        if known is not None and article.revision < known.article.revision:
            return GroupingResult(GroupingOutcome.SUPERSEDED)
        if known is not None and age_of(article) <= age_of(known.article):
            return self._repeat(known)
        if known is None and article.enrichment and self._has_left(article):
            return GroupingResult(GroupingOutcome.SUPERSEDED)  # its decision stands in the index, and is not known here
        if known is None:  # an article that was known under another id goes on from there
            known = next((self.rows[earlier] for earlier in article.replaces if earlier in self.rows), None)
        result = self._decide(article, now) if known is None else self._revise(article, known, now)
        return self._with_replaced(result, article) if article.replaces else result

    def _has_left(self, article: ArticlePart) -> bool:
        return article.fetched_at.timestamp() < self._latest - self.window.total_seconds()

    def _with_replaced(self, result: GroupingResult, article: ArticlePart) -> GroupingResult:
        """Remove what the earlier ids of an article leave behind: rows, documents, copies of them, empty stories.

        The row of the article is written before. A crash leaves both, and the redelivered message completes the work.
        """
        mover = self._mover()
        for earlier in article.replaces:
            row = self.rows.get(earlier)
            if row is None:
                continue
            if earlier in self.live:
                mover.leave(row)
                self._forget(self.live[earlier])
            del self.rows[earlier]
        mover.retarget(article)
        story_id = self.live[article.article_id].story_id
        for earlier in article.replaces:
            if not self.stories.members(earlier):
                mover.report_left(earlier, story_id, article)
        changed = dict.fromkeys((*result.changed, *(known for known in mover.changed if self.stories.members(known))))
        return replace(
            result,
            moved=(*result.moved, *mover.grouped()),
            changed=tuple(changed),
            emptied=(*result.emptied, *mover.emptied),
            removed=article.replaces,
        )

    def apply(self, edit: StoryEdit) -> GroupingResult:
        """Carry out an edit. If a crash interrupted it, the redelivered edit completes it."""
        self.edits[edit.edit_id] = edit
        self.constraints.add(edit)
        mover = self._mover()
        mover.apply(edit)
        outcome = (
            GroupingOutcome.EDITED
            if any(article in self.live for article in edit.articles)
            else GroupingOutcome.PENDING
        )
        return GroupingResult(outcome, None, mover.grouped(), tuple(mover.changed), tuple(mover.emptied))

    def _repeat(self, known: ArticleRow) -> GroupingResult:
        """Send the decision again, and complete the merges that belong to it."""
        mover = self._mover()
        for story_id in known.absorbed:
            mover.absorb(known.article_id, known.decision.story_id, story_id)
        article = to_grouped(self.rows[known.article_id], self.version)
        changed = dict.fromkeys((known.decision.story_id, *mover.changed))
        result = GroupingResult(
            GroupingOutcome.REPEATED, article, mover.grouped(), tuple(changed), tuple(mover.emptied)
        )
        return self._with_replaced(result, known.article) if known.article.replaces else result

    def _decide(self, article: ArticlePart, now: datetime | None) -> GroupingResult:
        opened = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
        row = ArticleRow(
            article=article,
            arrival=self._arrivals,
            decision=opened,
            story_opened_at=article.fetched_at,
            grouped_at=now,
        )
        profile = to_profile(row)
        forbidden = self._forbidden(article.article_id)
        overlaps = self._duplicates.find(profile)
        absorbed: tuple[str, ...] = ()
        decision = self._pinned(article.article_id) or self._duplicate(row, overlaps, forbidden)
        if decision is None:
            decision, absorbed = self._join(row, profile, forbidden)
        decision = decision.model_copy(update={"duplicate_links": _links(overlaps, decision)})
        return self._settle(row.model_copy(update={"decision": decision, "absorbed": absorbed}), profile)

    def _revise(self, article: ArticlePart, known: ArticleRow, now: datetime | None) -> GroupingResult:
        """Take a new revision of a known article, or a new enrichment of the same: the decision stays."""
        self._forget(self.live[known.article_id])
        update: dict[str, Any] = {"article": article, "arrival": self._arrivals, "absorbed": (), "grouped_at": now}
        if (article.article_id, article.revision) == (known.article_id, known.article.revision):
            # the document in the index must be replaced
            update["decision_seq"] = known.decision_seq + 1
        row = known.model_copy(update=update)
        return self._settle(row, to_profile(row))

    def _settle(self, row: ArticleRow, profile: Profile) -> GroupingResult:
        """Store a row with its decision, and carry out the merges that it causes."""
        members = self.stories.members(row.decision.story_id)
        first = int(
            row.article.fetched_at.timestamp()
        )  # so that a story id that is used again does not start at an older revision
        revision = max([first, row.story_revision, *(member.story_revision for member in members)]) + 1
        opened_at = datetime.fromtimestamp(members[0].opened, UTC) if members else row.story_opened_at
        row = row.model_copy(update={"story_revision": revision, "story_opened_at": opened_at})
        digest = digest_of(row, profile)
        self.digests.prepare(row.article_id, pack(digest))
        self.rows[row.article_id] = row
        profile.article = self._note(digest)
        self._insert(profile)
        mover = self._mover()
        for story_id in row.absorbed:
            mover.absorb(row.article_id, row.decision.story_id, story_id)
        self._expire()
        changed = dict.fromkeys((row.decision.story_id, *mover.changed))
        article = to_grouped(row, self.version)
        return GroupingResult(GroupingOutcome.GROUPED, article, mover.grouped(), tuple(changed), tuple(mover.emptied))

    def _mover(self) -> Mover:
        return Mover(self.rows, self.stories, self.digests, self.version)

    def _forbidden(self, article_id: str) -> dict[str, str]:
        """The stories that a person split this article from, each with its edit in words."""
        partners = self.constraints.apart.get(article_id, {})
        return {self.live[other].story_id: words for other, words in partners.items() if other in self.live}

    def _pinned(self, article_id: str) -> Decision | None:
        """The decision for a story that a person chose for this article before it came."""
        for other, words in self.constraints.together.get(article_id, {}).items():
            if other in self.live:
                reason = StoryReason(opened=False, nearest=other, moved_by=words)
                return Decision(story_id=self.live[other].story_id, story_score=0.0, story_reason=reason)
        return None

    def _duplicate(self, row: ArticleRow, overlaps: list[Overlap], forbidden: Mapping[str, str]) -> Decision | None:
        """The decision on a near-duplicate, or on an agency update (no duplicate). None for all other articles."""
        for overlap in overlaps:
            known = overlap.other.article
            if (overlap.duplicate is None and overlap.veto is None) or known.story_id in forbidden:
                continue
            original = self.rows[known.article_id]
            reason = StoryReason(opened=False, nearest=original.article_id)
            decision = Decision(story_id=known.story_id, story_score=original.decision.story_score, story_reason=reason)
            if is_update(row.article, original.article, same_facts=overlap.veto is None):
                return decision.model_copy(update={"supersedes": original.article_id})
            if overlap.duplicate is None:
                continue
            found = with_facts(overlap.duplicate, row.article, original.article)
            update = {"duplicate_of": original.article_id, "duplicate_score": overlap.duplicate.shingle_containment}
            return decision.model_copy(update={**update, "duplicate_reason": found})
        return None

    def _join(
        self, row: ArticleRow, profile: Profile, forbidden: Mapping[str, str]
    ) -> tuple[Decision, tuple[str, ...]]:
        """The best story that an article may join, or a new story; and further stories that are the same story."""
        comparison, ranked = self.stories.rank(profile)
        threshold = self.stories.weights.join
        vetoes: list[str] = []
        taken: list[StoryMatch] = []
        for match in ranked:
            if match.score < threshold or len(taken) > MERGED_AT_ONCE:
                break
            veto = forbidden.get(match.story_id) or self._veto(profile.article, match.story_id)
            if veto:
                vetoes.append(f"{match.story_id}: {veto}")
            else:
                taken.append(match)
        joined = taken[0] if taken else None
        runner_up = next((match for match in ranked if match is not joined), None)
        reason = story_reason(row.article, profile, comparison, joined, runner_up, vetoes, self.stories.weights)
        decision = Decision(
            story_id=joined.story_id if joined else row.article_id,
            story_score=round(joined.score, 4) if joined else 0.0,
            story_reason=reason,
        )
        return decision, tuple(match.story_id for match in taken[1:] if joined and self._are_one(joined, match))

    def _veto(self, article: LiveArticle, story_id: str) -> str | None:
        """Why a story takes no more articles, or not this one. None if it may take this one."""
        members = self.stories.members(story_id)
        now = max(self._latest, article.fetched)
        if now - members[0].opened > self.window.total_seconds():
            return "closed: its first article has left the window"
        days = sorted(member.day for member in members[-DRIFT_MEMBERS:] if member.day is not None)
        if article.day is not None and days:
            gap = abs(article.day - days[len(days) // 2])
            if gap * DAY_SECONDS > self.window.total_seconds():
                return f"closed: {gap:.0f} days lie between the stated dates"
        return None

    def _are_one(self, joined: StoryMatch, other: StoryMatch) -> bool:
        """Whether two stories that one article belongs to are the same story, and no edit keeps them apart."""
        ones, others = self.stories.members(joined.story_id), self.stories.members(other.story_id)
        ids = {member.article_id for member in others}
        if any(ids & self.constraints.apart.get(member.article_id, {}).keys() for member in ones):
            return False
        return self.stories.similarity(joined.story_id, other.story_id) >= self.stories.weights.merge

    def _insert(self, profile: Profile) -> None:
        """Make an article live whose profile is stored."""
        self.live.add(profile.article)
        if not profile.article.is_duplicate:
            self._duplicates.add(profile)
        self.stories.add(profile)
        self._arrivals = max(self._arrivals, profile.article.slot + 1)
        self._latest = max(self._latest, profile.article.fetched)

    def _forget(self, article: LiveArticle) -> None:
        profile = self.live.profile(article)
        if not article.is_duplicate:
            self._duplicates.remove(profile)
        self.stories.remove(profile)
        self.live.remove(article)

    def _expire(self) -> None:
        """Remove articles that left the window. They are in order of arrival, so only the first ones are checked."""
        limit = self._latest - self.window.total_seconds()
        for article in list(islice(self.live.values(), EXPIRED_PER_ARTICLE)):
            if article.fetched >= limit:
                break
            self._forget(article)
            del self.rows[article.article_id]

    def explain(self, one: str, other: str) -> dict[str, Any]:
        """Compare two live articles as of now. Raises KeyError if one is not live."""
        left, right = self.live[one], self.live[other]
        notes = [self.constraints.apart.get(one, {}).get(other), self.constraints.together.get(one, {}).get(other)]
        if left.story_id != right.story_id:
            notes.append(self._veto(left, right.story_id))
        profiles = self.live.profile(left), self.live.profile(right)
        return explain_pair(self.rows[one].article, *profiles, self.stories, [note for note in notes if note])

    def story(self, story_id: str) -> Story | None:
        """The current state of a story, or None if it has no live article."""
        if not self.stories.members(story_id):
            return None
        return summarise(story_id, View(self.stories, self.rows, self.names, self.version))


def not_after(article: ArticlePart, stored_at: datetime) -> ArticlePart:
    """The article with no time that lies after its message, but for a stated date: that may be a little later."""
    update: dict[str, Any] = {}
    fetched_at = min(article.fetched_at, stored_at)
    if fetched_at != article.fetched_at:
        update["fetched_at"] = fetched_at
    limit = fetched_at if article.event_at_source is EventSource.FETCHED else fetched_at + FUTURE_TOLERANCE
    if article.event_at > limit:
        update |= {"event_at": fetched_at, "event_at_source": EventSource.FETCHED}
    return article.model_copy(update=update) if update else article


def age_of(article: ArticlePart) -> tuple[int, int]:
    """What makes one message of an article newer than another: its content, then its enrichment."""
    return article.revision, article.enrichment


def _links(overlaps: Iterable[Overlap], decision: Decision) -> tuple[DuplicateLink, ...]:
    """Other originals that share much text. An article made of two others has a link to the second one."""
    known = {decision.duplicate_of, decision.supersedes}
    shared = [(overlap.other.article.article_id, overlap.shingles) for overlap in overlaps]
    return tuple(
        DuplicateLink(article_id=article_id, shingle_containment=min(1.0, round(shingles, 4)))
        for article_id, shingles in shared
        if shingles >= LINK_SHINGLES and article_id not in known
    )[:MAX_LINKS]

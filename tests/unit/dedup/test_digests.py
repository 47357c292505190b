"""A digest is its row's profile, packed. A rebuild from digests is a rebuild from rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from schemas.article import StoryReason
from schemas.story import EditAction, StoryEdit
from services.dedup import digests as module
from services.dedup.articles import ArticlePart, read_article
from services.dedup.digests import Digest, pack, unpack
from services.dedup.grouping import Grouper
from services.dedup.rows import ArticleRow, Decision
from tests.conftest import NOW
from tests.examples import EXAMPLES
from tests.unit.dedup.conftest import WINDOW

Reports = dict[str, ArticlePart]
FULL = read_article((EXAMPLES / "articles.enriched" / "valid" / "v2-full.json").read_bytes())
PACKED = "4f3bc23ce02c"
"""Of the digest of the example. If this fails, `to_profile` derives something else: raise `digests.VERSION`."""


@dataclass
class MemoryDigests:
    """Digests as the store keeps them: a row that is written without one loses it."""

    known: dict[str, bytes] = field(default_factory=dict)

    def prepare(self, article_id: str, digest: bytes) -> None:
        self.known[article_id] = digest

    keep = prepare

    def values(self) -> Any:
        return self.known.values()


def digest_of(article: ArticlePart) -> Digest:
    opened = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
    row = ArticleRow(article=article, arrival=7, decision=opened, story_opened_at=article.fetched_at)
    return module.digest_of(row)


def test_a_digest_is_read_as_it_was_written() -> None:
    digest = digest_of(FULL)
    again = unpack(pack(digest))
    assert again is not None
    assert again == digest
    assert [type(entity.type) for entity in again.entities] == [type(entity.type) for entity in digest.entities]


def test_what_is_derived_is_what_this_version_derives() -> None:
    assert sha256(pack(digest_of(FULL))).hexdigest()[:12] == PACKED


@pytest.mark.parametrize("place", [0, 5, 9, 60, -1])
def test_a_flipped_byte_is_seen(place: int) -> None:
    packed = bytearray(pack(digest_of(FULL)))
    packed[place] ^= 1
    assert unpack(bytes(packed)) is None


@pytest.mark.parametrize("packed", [b"", b"1234567", b"\0" * 8])
def test_what_is_no_digest_is_none(packed: bytes) -> None:
    assert unpack(packed) is None


def test_another_version_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(digest_of(FULL))
    monkeypatch.setattr(module, "RULES", module.RULES + 1)
    assert unpack(packed) is None


def state_of(grouper: Grouper) -> tuple[Any, ...]:
    """Everything that decisions and stories are made from."""
    stories = {story_id: grouper.story(story_id) for story_id in grouper.stories.story_ids()}
    profiles = grouper.live.profiles(grouper.live.values())
    names = {key: entity for key, (_, entity) in grouper.names._known.items()}
    return dict(grouper.live), profiles, stories, names, grouper._arrivals, grouper._latest


def rebuilt(grouper: Grouper, digests: MemoryDigests | None, steps: list[int] | None = None) -> Grouper:
    count = (lambda: steps.append(1)) if steps is not None else (lambda: None)
    return Grouper.rebuild(WINDOW, grouper.rows, grouper.edits, digests=digests, on_row=count)


@pytest.fixture
def grouped(reports: Reports) -> Grouper:
    """Reports that were merged, split, revised and copied."""
    grouper = Grouper(WINDOW, digests=MemoryDigests())
    for name in ("fire 1", "fire 2", "rate", "match", "other fire"):
        grouper.take(reports[name])
    copy = reports["fire 1"].model_copy(
        update={"article_id": "0" * 8 + "-0000-5000-8000-000000000000", "source_id": "b"}
    )
    grouper.take(copy)
    merge = (reports["rate"].article_id, reports["fire 2"].article_id)
    grouper.apply(
        StoryEdit(edit_id="1", action=EditAction.MERGE, articles=merge, made_at=NOW, made_by="ann", reason="r")
    )
    split = StoryEdit(
        edit_id="2",
        action=EditAction.SPLIT,
        articles=(reports["fire 2"].article_id,),
        other=reports["fire 1"].article_id,
        made_at=NOW,
        made_by="ann",
        reason="r",
    )
    grouper.apply(split)
    grouper.take(reports["match"].model_copy(update={"revision": reports["match"].revision + 1}))
    return grouper


def test_a_rebuild_from_digests_is_a_rebuild_from_rows(grouped: Grouper) -> None:
    digests: Any = grouped.digests
    steps: list[int] = []
    from_digests, from_rows = rebuilt(grouped, digests, steps), rebuilt(grouped, None)
    assert from_digests.derived == 0
    assert from_rows.derived == len(grouped.rows)
    assert state_of(from_digests) == state_of(from_rows) == state_of(grouped)
    assert len(steps) == 2 * len(grouped.rows)


def test_rows_without_a_digest_are_derived_and_kept(grouped: Grouper) -> None:
    digests: Any = grouped.digests
    some = list(digests.known)[:3]
    for article_id in some[:2]:
        del digests.known[article_id]
    digests.known[some[2]] = b"damaged " * 9
    gone = unpack(digests.known[list(digests.known)[-1]])
    assert gone is not None
    gone.article.article_id, gone.article.slot = "of a row that is gone", 99
    digests.known["of a row that is gone"] = pack(gone)
    steps: list[int] = []
    again = rebuilt(grouped, digests, steps)
    assert again.derived == 3
    assert len(steps) == 2 * len(grouped.rows) + 1, "one more for the digest without a row"
    assert state_of(again) == state_of(rebuilt(grouped, None))
    digests.known.pop("of a row that is gone")
    assert rebuilt(grouped, digests).derived == 0

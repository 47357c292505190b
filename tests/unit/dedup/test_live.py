"""Live articles: a profile is read as it was stored, and files go with the articles that they are for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.article import StoryReason
from services.common.exits import EXIT_MACHINE, UnusableProcessError
from services.dedup import live as module
from services.dedup.articles import ArticlePart
from services.dedup.live import LiveArticles
from services.dedup.profiles import Profile, to_profile
from services.dedup.rows import ArticleRow, Decision

Enrich = Callable[..., ArticlePart]


def profile_of(article: ArticlePart, slot: int) -> Profile:
    alone = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
    return to_profile(ArticleRow(article=article, arrival=slot, decision=alone, story_opened_at=article.fetched_at))


def add(live: LiveArticles, profile: Profile) -> None:
    live.store(profile.article.slot, profile.pack())
    live.add(profile.article)


def files_of(folder: Path) -> int:
    """The open files of this process that have no name in this folder any more."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.startswith(str(folder)) and link.endswith("(deleted)") for link in links)


@pytest.mark.parametrize("recent_bytes", [0, 4000, 10**9])
@pytest.mark.parametrize("title", [None, "", "Fire in Kehl \ud800"])
def test_a_profile_is_read_as_it_was_stored(
    enriched: Enrich, monkeypatch: pytest.MonkeyPatch, title: str | None, recent_bytes: int
) -> None:
    monkeypatch.setattr(module, "RECENT_BYTES", recent_bytes)
    live = LiveArticles()
    stored = [
        profile_of(enriched(f"Report {number} of 12 from Kehl.", guid=str(number)), number) for number in range(3)
    ]
    for profile in stored:
        profile.title = title
        add(live, profile)
    assert live.profiles(live.values()) == stored
    assert [live.at(profile.article.slot).article_id for profile in stored] == list(live)
    live.remove(stored[1].article)
    assert list(live) == [stored[0].article.article_id, stored[2].article.article_id]
    assert live.profile(stored[2].article) == stored[2]
    kept = sum(map(len, live._recent.values()))
    assert live._recent_bytes == kept <= recent_bytes
    with pytest.raises(KeyError):
        live.at(1)


def test_the_files_of_articles_that_left_are_closed(
    enriched: Enrich, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_SLOTS", 4)
    live = LiveArticles(tmp_path)
    known = [profile_of(enriched("A report.", guid=str(slot)), slot) for slot in range(40)]
    for slot, profile in enumerate(known):
        add(live, profile)
        if slot >= 8:
            live.remove(known[slot - 8].article)
    assert list(tmp_path.iterdir()) == [], "the files have no names"
    assert files_of(tmp_path) == 2
    assert live.first_slot() == 32
    del live
    assert files_of(tmp_path) == 0


def test_a_full_disk_ends_the_process_with_a_sentence(
    enriched: Enrich, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(UnusableProcessError, match="No space left on device") as failed:
        add(LiveArticles(tmp_path), profile_of(enriched("A report."), 0))
    assert failed.value.exit_code == EXIT_MACHINE
    assert str(tmp_path) in str(failed.value)

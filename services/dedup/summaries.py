"""Summarises a story for readers: counts, titles, entities, hours, and other stories of the same actors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nsmallest

import numpy as np

from schemas.article import KeyFlag
from schemas.story import Bucket, Edition, RelatedStory, Story
from services.dedup.articles import ArticlePart
from services.dedup.names import EntityNames
from services.dedup.pairs import Frequencies, Joined
from services.dedup.profiles import LiveArticle, Profile
from services.dedup.rows import ArticleRow
from services.dedup.stories import MOST_SHARED, StoryIndex

MAX_ENTITIES = 25
MAX_RELATED = 5
MIN_SHARED_ACTORS = 2
CENTRAL_MEMBERS = 200
"""The most central article is chosen among the latest so many originals."""
ACTORS = MOST_SHARED
ACTOR_ARTICLES = 2000
"""An actor in more live articles than this does not relate stories."""
HOUR = 3600.0
HOURS_A_DAY = 24
SENTENCES = 12
SENTENCE_CHARACTERS = 300
SENTENCE = re.compile(r"[^.!?。！？।\n]+(?:[.!?。！？।]+[\"'”’»)]*|\n|$)")


@dataclass(frozen=True, slots=True)
class View:
    """The parts of the dedup state that a summary reads."""

    stories: StoryIndex
    rows: Mapping[str, ArticleRow]
    names: EntityNames
    version: int


def summarise(story_id: str, view: View) -> Story:
    """The current state of a story. It must have at least one live article."""
    members = view.stories.members(story_id)
    actors = nsmallest(MAX_ENTITIES, view.stories.actors(story_id).items(), key=lambda item: (-item[1], item[0]))
    editions = make_editions(members, view)
    found = [view.names.counted(key, count) for key, count in actors]
    central = max(editions, key=lambda edition: edition.articles)
    last = max(member.fetched for member in members)
    return Story(
        story_id=story_id,
        headline=central.headline,
        title=central.title or next((edition.title for edition in editions if edition.title), None),
        languages=tuple(sorted({member.language for member in members})),
        sources=tuple(sorted({member.source_id for member in members})),
        first_seen_at=datetime.fromtimestamp(min(member.fetched for member in members), UTC),
        last_seen_at=datetime.fromtimestamp(last, UTC),
        first_event_at=datetime.fromtimestamp(min(member.event for member in members), UTC),
        last_event_at=datetime.fromtimestamp(max(member.event for member in members), UTC),
        growth=measure_growth([member.fetched for member in members], last),
        countries=tuple(sorted({entity.country for entity in found if entity and entity.country})),
        articles=len(members),
        duplicates=sum(member.is_duplicate for member in members),
        entities=tuple(entity for entity in found if entity is not None),
        editions=editions,
        timeline=make_timeline(members),
        related=find_related(story_id, [key for key, _ in actors[:ACTORS]], view),
        grouping_version=view.version,
        revision=max(member.story_revision for member in members),
    )


def measure_growth(fetched: Iterable[float], last: float) -> float:
    """The articles of the last hour, divided by the mean of the last 24 hours. 1 is even, 24 is all in one hour."""
    ages = [last - at for at in fetched]
    day = sum(age < HOURS_A_DAY * HOUR for age in ages)
    return round(HOURS_A_DAY * sum(age < HOUR for age in ages) / day, 2)


def make_timeline(members: Iterable[LiveArticle]) -> tuple[Bucket, ...]:
    """The number of articles by the hour in which they were fetched. Hours without articles are left out."""
    hours = Counter(int(member.fetched // HOUR) for member in members)
    return tuple(
        Bucket(start_at=datetime.fromtimestamp(hour * HOUR, UTC), articles=count)
        for hour, count in sorted(hours.items())
    )


def make_editions(members: Sequence[LiveArticle], view: View) -> tuple[Edition, ...]:
    """The editions of a story: one for each of its languages."""
    originals = [member for member in members if not member.is_duplicate][-CENTRAL_MEMBERS:] or list(members)
    centrality, worth = measure_centrality(view.stories.live.profiles(originals), view.stories.frequencies)
    best: dict[str, tuple[float, LiveArticle]] = {}
    for value, member in zip(centrality, originals, strict=True):
        if member.language not in best or value > best[member.language][0]:
            best[member.language] = value, member
    counts = Counter(member.language for member in members)
    editions = []
    for language, (_, member) in sorted(best.items()):
        article = view.rows[member.article_id].article
        editions.append(
            Edition(
                language=language,
                articles=counts[language],
                article_id=article.article_id,
                title=article.title,
                headline=article.headline,
                sentence=choose_sentence(article, worth),
            )
        )
    return tuple(editions)


def measure_centrality(members: Sequence[Profile], frequencies: Frequencies) -> tuple[list[float], dict[int, float]]:
    """The cosine of each member's keys with the sum over all members, and the weight of each key in that sum."""
    joined = Joined([member.keys for member in members], "<u4")
    weights = np.frombuffer(b"".join(member.key_weights for member in members), "<f2").astype(np.float64)
    weights *= frequencies.idf(joined.values)
    keys, places = np.unique(joined.values, return_inverse=True)
    total = np.bincount(places, weights=weights, minlength=len(keys))
    norms = np.sqrt(joined.sum(weights**2))
    cosines = joined.sum(weights * total[places]) / np.maximum(norms, 1e-9)
    return cosines.tolist(), dict(zip(keys.tolist(), total.tolist(), strict=True))


def choose_sentence(article: ArticlePart, worth: Mapping[int, float]) -> str | None:
    """The sentence near the beginning that names most of the story's keys. Long sentences get no advantage."""
    keys = article.fingerprint.keys
    hashes = np.frombuffer(keys.hashes, "<u4").tolist()
    labels = [
        (label.partition(" (")[0] if flag & KeyFlag.ENTITY else label, worth.get(key, 0.0))
        for label, flag, key in zip(keys.labels, keys.flags, hashes, strict=True)
    ]
    best: tuple[float, str] | None = None
    for match in list(SENTENCE.finditer(article.text))[:SENTENCES]:
        sentence = match[0].strip()
        if not sentence:
            continue
        value = sum(weight for label, weight in labels if label in sentence)
        value /= 1.0 + len(sentence) / SENTENCE_CHARACTERS
        if best is None or value > best[0]:
            best = value, sentence
    return best[1][:SENTENCE_CHARACTERS] if best else None


def find_related(story_id: str, actors: Sequence[int], view: View) -> tuple[RelatedStory, ...]:
    """Other stories that share at least two of a story's actors. Those with the rarest actors come first."""
    keys = np.array(sorted(actors), dtype=np.uint32)
    keys = keys[view.stories.frequencies.of(keys) <= ACTOR_ARTICLES]
    if len(keys) < MIN_SHARED_ACTORS:
        return ()
    related: list[RelatedStory] = []
    for other, places in view.stories.sharing(story_id, keys, at_least=MIN_SHARED_ACTORS, most=MAX_RELATED):
        ids = [view.names.id_of(int(keys[place])) for place in places]
        shown = tuple(entity_id for entity_id in ids if entity_id is not None)
        first = view.stories.live.profile(view.stories.members(other)[0])
        related.append(RelatedStory(story_id=other, title=first.title, shared=shown))
    return tuple(related)

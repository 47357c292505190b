"""Describes the worst grouping errors. `python -m benchmarks.quality.stories.errors` prints them as Markdown.

Each half is grouped with the weights of the other half, in one random order. The texts of ECB+ and NTREX may not be
copied, so only ids, shared names and figures are shown for them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.corpus import SHARED
from benchmarks.quality.stories.corpora import Labelled, load, load_seeds
from benchmarks.quality.stories.evaluate import SPLITS, group, halves
from services.dedup.explain import score_parts, shared_labels
from services.dedup.grouping import Grouper
from services.dedup.pairs import compare
from services.worker.stages import stage_slice

SHOWN = 30
TOGETHER = 15
"""Maximum number of shown pairs that are wrongly together."""
ORDER = 10
PARTS = 4
MAY_BE_QUOTED = frozenset(["wikinews", "seeds"])


@dataclass(frozen=True, slots=True)
class Mistake:
    """Two articles that are wrongly together or wrongly apart, and the confidence of the score."""

    article: Labelled
    nearest: Labelled
    score: float
    words: str


def find_mistakes(stream: Sequence[Labelled], grouper: Grouper) -> Iterator[tuple[bool, Mistake]]:
    """The nearest pair for each wrong merge and each wrong split. True means wrongly together."""
    best: dict[tuple[bool, str, str], Mistake] = {}
    for number, labelled in enumerate(stream):
        mine = grouper.live[labelled.article.article_id]
        others = [
            other
            for other in stream[:number]
            if (grouper.live[other.article.article_id].story_id == mine.story_id) != (other.story == labelled.story)
        ]
        if not others:
            continue
        articles = [grouper.live[other.article.article_id] for other in others]
        profiles = grouper.live.profiles(articles)
        compared = compare(grouper.live.profile(mine), profiles, grouper.stories.frequencies, grouper.stories.weights)
        for place, other in enumerate(others):
            together = articles[place].story_id == mine.story_id
            value = float(compared.scores[place])
            first, second = sorted((labelled.story, other.story))
            key = (together, first, second)
            known = best.get(key)
            if known is None or value > known.score:
                names, numbers = shared_labels(labelled.article, compared, place)
                parts = score_parts(compared, place, grouper.stories.weights)[:PARTS]
                told = ", ".join(f"{part.feature} {part.score:+.1f}" for part in parts)
                shared = ", ".join([*names[:5], *numbers[:3]]) or "nothing"
                best[key] = Mistake(labelled, other, value, f"shared: {shared}; {told}")
    for (together, _, _), mistake in best.items():
        yield together, mistake


def describe(labelled: Labelled) -> str:
    """The title of the article if its text may be quoted, otherwise its corpus and story."""
    article = labelled.article
    if labelled.corpus in MAY_BE_QUOTED:
        return f"“{(article.title or article.text)[:90]}” ({article.language.code})"
    return f"{labelled.story} ({article.language.code})"


def main() -> None:
    """Print the worst errors of both kinds."""
    stages = stage_slice((), vectors=True)
    articles, seeds = load(SHARED / "data", stages), load_seeds(stages)
    found: dict[bool, list[Mistake]] = defaultdict(list)
    for weights, mine in halves(articles, seeds, SPLITS[:1]):
        shuffled = random.Random(ORDER).sample(mine["mix"], len(mine["mix"]))
        for together, mistake in find_mistakes(shuffled, group(shuffled, weights)):
            found[together].append(mistake)
    worst = {
        True: sorted(found[True], key=lambda mistake: -mistake.score)[:TOGETHER],
        False: sorted(found[False], key=lambda mistake: mistake.score),
    }
    for together, title in ((True, "Wrongly together"), (False, "Wrongly apart: the nearest pair of each story")):
        print(f"## {title}\n")
        for mistake in worst[together][: SHOWN - (0 if together else len(worst[True]))]:
            print(
                f"* {describe(mistake.article)} and {describe(mistake.nearest)}: {mistake.score:+.1f}; {mistake.words}"
            )
        print()


if __name__ == "__main__":
    main()

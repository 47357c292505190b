"""Articles made for tests: distinct, with copies and with pairs of reports, in any number."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

TOWNS = ["Utrecht", "Lisbon", "Tampere", "Gdansk", "Porto", "Bergen", "Ghent", "Malmo", "Graz", "Bilbao"]
PEOPLE = ["Anna Bakker", "Joao Silva", "Mika Virtanen", "Ewa Nowak", "Lars Berg", "Petra Huber", "Iker Etxea"]
EVENTS = [
    "The council of {town} agreed on Monday to build {n} homes beside the river.",
    "Mayor {person} of {town} said {n} families were waiting for a place to live.",
    "A fire in {town} destroyed {n} square metres of a warehouse, {person} of the brigade said.",
    "The football club of {town} won {n} to 1 in front of the home crowd on Saturday.",
    "Researchers in {town} led by {person} found {n} new species in the harbour.",
    "The factory in {town} will close in June and {n} people will lose their work.",
    "{person} was chosen to lead the party in {town} with {n} votes on Sunday.",
    "Floods near {town} forced {n} people from their houses, {person} told reporters.",
]
COPY_EVERY = 10
SENTENCES = 14


def make_articles(count: int, seed: int = 1) -> Iterator[dict[str, str]]:
    """Raw JSONL lines; every tenth is a shortened copy of the one before."""
    rnd = random.Random(seed)
    previous = ""
    for number in range(count):
        if number % COPY_EVERY == COPY_EVERY - 1:
            content = previous[: len(previous) * 3 // 4]
        else:
            lines = [
                rnd.choice(EVENTS).format(town=rnd.choice(TOWNS), person=rnd.choice(PEOPLE), n=rnd.randint(2, 99_999))
                for _ in range(SENTENCES)
            ]
            content = "\n".join(lines)
        previous = content
        yield {"guid": f"{seed}-{number}", "content": content}


def write_articles(path: Path, count: int, seed: int = 1) -> Path:
    """The articles as a file."""
    path.write_text("".join(json.dumps(article) + "\n" for article in make_articles(count, seed)), encoding="utf8")
    return path

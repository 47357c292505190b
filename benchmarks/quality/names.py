"""Measures how well and how fast names are found in corpora that were not used for training.

To run it alone: `python -m benchmarks.quality.names`.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import SHARED
from benchmarks.quality.name_corpora import CORPORA, PUD, Sentence, read_corpus, read_pud, score_finder
from services.entities.names import CrfNameFinder, NameFinder

ARTICLE_LENGTH = 3000
"""Length in code points, as in the seeds and in Wikinews articles."""
ROUNDS = 3
LINKED_TYPES = frozenset({"PERSON", "ORGANIZATION", "LOCATION"})
CAPITALISED = re.compile(r"[A-Z][\w.'’-]{2,}(?: (?:[A-Z][\w.'’-]*|of|de|van|di|del|la))*")


def measure(data: Path, finder: NameFinder) -> dict[str, float]:
    """`SET.typed|untyped.precision|recall|f1` on PUD and the test files of the corpora; linked names; the speed.

    Spans must match exactly. The speed is for one core, on English and German PUD joined to articles of 3,000
    characters.
    """
    sets = dict(_read_sets(data))
    figures = measure_speed(finder, [sets["pud-en"], sets["pud-de"]])
    for name, sentences in sets.items():
        figures |= {f"{name}.{key}": value for key, value in score_finder(finder, sentences).figures().items()}
    return figures | measure_linked(data / "wikinews" / "articles.jsonl", finder)


def _read_sets(data: Path) -> Iterator[tuple[str, list[Sentence]]]:
    for language in PUD:
        yield f"pud-{language}", read_pud(data, language)
    for corpus in CORPORA:
        if corpus.test:
            files = read_corpus(data / "ner", corpus)
            yield corpus.archive, [sentence for name in corpus.test for sentence in files[name]]


def measure_speed(finder: NameFinder, sets: Sequence[Sequence[Sentence]]) -> dict[str, float]:
    """Articles and spans per second of CPU time: first round, when most words are new, and best of `ROUNDS`."""
    articles = [(text, sentences[0].language) for sentences in sets for text in join_articles(sentences)]
    finder.find("to load it", "en")
    first = _time_round(finder, articles)
    seconds = min(_time_round(finder, articles) for _ in range(ROUNDS))
    spans = sum(len(finder.find(text, language)) for text, language in articles)
    return {
        "articles_per_second_first": len(articles) / first,
        "articles_per_second": len(articles) / seconds,
        "spans_per_second": spans / seconds,
    }


def _time_round(finder: NameFinder, articles: Sequence[tuple[str, str]]) -> float:
    before = time.process_time()
    for text, language in articles:
        finder.find(text, language)
    return time.process_time() - before


def measure_linked(path: Path, finder: NameFinder) -> dict[str, float]:
    """`wikinews-LANGUAGE.exact|touched`: shares of linked names of persons, organisations and places that were found.

    Only capitalised names count (MEANTIME also links `the company`). `touched` counts names that a found name overlaps.
    Not all names in these articles are linked, so there is no precision. `per_100_words` is the rate of found names.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in path.read_text(encoding="utf8").splitlines():
        article = json.loads(line)
        count = counts[article["lang"]]
        spans = [(span.start, span.end) for span in finder.find(article["text"], article["lang"])]
        count["spans"] += len(spans)
        count["words"] += len(article["text"].split())
        for start, end in _find_linked(article):
            count["linked"] += 1
            count["exact"] += (start, end) in spans
            count["touched"] += any(first < end and start < last for first, last in spans)
    return {
        f"wikinews-{language}.{name}": value
        for language, count in counts.items()
        for name, value in (
            ("exact", count["exact"] / count["linked"]),
            ("touched", count["touched"] / count["linked"]),
            ("per_100_words", 100 * count["spans"] / count["words"]),
        )
    }


def _find_linked(article: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Every position of every linked name. Of overlapping names, the longest counts."""
    linked = (entity["text"] for entity in article["entities"] if entity["dbpedia"] and entity["type"] in LINKED_TYPES)
    names = sorted({name for name in linked if CAPITALISED.fullmatch(name)}, key=lambda name: (-len(name), name))
    if names:
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")
        yield from (match.span() for match in pattern.finditer(article["text"]))


def join_articles(sentences: Sequence[Sentence]) -> Iterator[str]:
    """Sentences in their order, joined to articles of about `ARTICLE_LENGTH`. The incomplete rest is dropped."""
    parts: list[str] = []
    for sentence in sentences:
        parts.append(sentence.text)
        if sum(map(len, parts)) + len(parts) > ARTICLE_LENGTH:
            yield " ".join(parts)
            parts = []


def as_tables(figures: dict[str, float]) -> Iterator[Table]:
    """One table for each kind of figure."""
    f1 = ("typed.f1", "untyped.f1", "untyped.precision", "untyped.recall")
    linked = ("exact", "touched", "per_100_words")
    for title, keys in (("Names in running text, exact spans", f1), ("Linked names of Wikinews", linked)):
        table = Table("set", *keys, title=title, title_justify="left", box=None)
        for name in (key.removesuffix(f".{keys[0]}") for key in figures if key.endswith(f".{keys[0]}")):
            table.add_row(name, *(f"{figures[f'{name}.{key}']:.3f}" for key in keys))
        yield table
    table = Table(title="Speed", title_justify="left", box=None, show_header=False)
    for name in (key for key in figures if "_per_second" in key):
        table.add_row(name, f"{figures[name]:,.0f}")
    yield table


if __name__ == "__main__":
    for measured in as_tables(measure(SHARED / "data", CrfNameFinder())):
        Console().print(measured)

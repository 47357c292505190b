"""Reads the labelled texts: those in the repository, and those in the shared data."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.corpus import SHARED
from benchmarks.quality.scraped import PEOPLE, Source

FOLDER = Path(__file__).parent / "data"
WIKINEWS = FOLDER / "wikinews.jsonl.gz"
NTREX = SHARED / "data" / "ntrex" / "articles.jsonl.gz"
NTREX_LANGUAGES = {
    "eng": "en", "nld": "nl", "deu": "de", "fra": "fr", "spa": "es", "ita": "it", "por": "pt", "rus": "ru", "ukr": "uk", "arb": "ar",
    "zho-CN": "zh", "jpn": "ja", "tur": "tr", "pol": "pl", "swe": "sv",
}  # fmt: skip
"""NTREX's names of the fifteen languages that have furniture patterns."""


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON lines file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf8") as file:
        for line in file:
            yield json.loads(line)


def shippable_sources() -> list[Source]:
    """Wikinews in four languages, with the paragraphs that are long enough to differ from headlines."""
    return [_source(row, row["lang"]) for row in read_lines(WIKINEWS)]


def ntrex_sources() -> list[Source]:
    """NTREX-128 in fifteen languages, from the shared data (CC BY-SA 4.0: measured, not shipped)."""
    rows = (row for row in read_lines(NTREX) if row["lang"] in NTREX_LANGUAGES)
    return [_source(row, NTREX_LANGUAGES[row["lang"]]) for row in rows]


def _source(row: dict[str, Any], language: str) -> Source:
    assert language in PEOPLE, language
    paragraphs = tuple(line.strip() for line in row["text"].split("\n") if line.strip())
    return Source(row["id"], language, row["title"], paragraphs)

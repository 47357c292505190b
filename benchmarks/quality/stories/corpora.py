"""Labelled and enriched stories: Wikinews, ECB+, NTREX and the seeds, from the shared data if it is available."""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.corpus import SEEDS
from schemas.article import ContentType, RawArticle
from services.common.messages import RejectedMessage
from services.dedup.articles import ArticlePart, part_of
from services.worker.stages import Stage, enrich

FILES = {
    "wikinews": Path("wikinews/articles.jsonl"),
    "ecb": Path("measure-only/ecbplus.jsonl.gz"),
    "ntrex": Path("ntrex/articles.jsonl.gz"),
}
NTREX_8 = frozenset(["eng", "nld", "deu", "fra", "spa", "por", "rus", "zho-CN"])
NTREX_40 = NTREX_8 | frozenset(
    [
        "ita",
        "pol",
        "ces",
        "slk",
        "slv",
        "hrv",
        "srp-Cyrl",
        "bul",
        "ukr",
        "mkd",
        "ell",
        "tur",
        "arb",
        "heb",
        "fas",
        "hin",
        "ben",
        "tam",
        "tha",
        "kor",
        "jpn",
        "vie",
        "ind",
        "fin",
        "swe",
        "dan",
        "nob",
        "hun",
        "ron",
        "cat",
        "est",
        "lit",
    ]
)
FETCHED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Labelled:
    """An article, its story, and the unit that must stay in one half: the story, or a topic of similar stories."""

    corpus: str
    story: str
    unit: str
    code: str
    article: ArticlePart


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON lines file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf8") as lines:
        yield from map(json.loads, lines)


def load(folder: Path, stages: Sequence[Stage], corpora: Sequence[str] = tuple(FILES)) -> list[Labelled]:
    """Every article of these corpora. NTREX in 40 languages."""
    found: list[Labelled] = []
    for corpus in corpora:
        for row in read(folder / FILES[corpus]):
            if corpus == "ntrex" and row["lang"] not in NTREX_40:
                continue
            unit = f"{corpus} {row['topic' if corpus == 'ecb' else 'story']}"
            found += to_labelled(corpus, f"{corpus} {row['story']}", unit, row, stages)
    return found


def load_seeds(stages: Sequence[Stage]) -> list[Labelled]:
    """The five seeds. Each is a separate story."""
    rows = [{"id": path.stem, "text": path.read_text(encoding="utf8"), "lang": ""} for path in sorted(SEEDS.iterdir())]
    return [labelled for row in rows for labelled in to_labelled("seeds", row["id"], row["id"], row, stages)]


def to_labelled(corpus: str, story: str, unit: str, row: dict[str, Any], stages: Sequence[Stage]) -> Iterator[Labelled]:
    """The enriched row, or nothing if a stage rejects it."""
    date = row.get("date")
    raw = RawArticle(
        article_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{corpus} {row['id']}")),
        source_id=corpus,
        content_type=ContentType.TEXT,
        content=row["text"],
        title=row.get("title"),
        published_at=datetime.fromisoformat(date[:10]).replace(tzinfo=UTC) if date else None,
        fetched_at=FETCHED_AT,
        content_hash="0" * 64,
        revision=1,
    )
    try:
        yield Labelled(corpus, story, unit, row["lang"], part_of(enrich(raw, tuple(stages))))
    except RejectedMessage as rejected:
        print(f"left out {row['id']}: {rejected.reason}")


def fold_of(unit: str, salt: str = "") -> int:
    """0 or 1, from the hash of the name of the unit."""
    return int(hashlib.sha1((salt + unit).encode(), usedforsecurity=False).hexdigest(), 16) % 2

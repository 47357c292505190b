"""Measures entity links: spellings by language, mentions in Wikinews, and 200 links that were read by hand."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from benchmarks.corpus import SHARED
from benchmarks.quality.corpora import FOLDER, WIKINEWS, read_lines
from benchmarks.quality.scores import Figures, prf
from benchmarks.quality.scoring import enrich_rows
from schemas.article import EnrichedArticle
from services.entities.gazetteer import load_gazetteer

VARIANTS = SHARED / "data" / "entities" / "variants.tsv"
TITLED = [SHARED / "data" / "people" / name for name in ("orgs.tsv", "people.tsv")]
PAGES = FOLDER / "wikinews-pages.tsv"
READ = FOLDER / "links-read.tsv"
KINGDOM = {"Q29999": "Q55"}
"""For the Netherlands, the list gives the Kingdom. We link the country (ADR 11)."""
COUNTRIES_BY_TITLE = {"United States": "Q30", "United Kingdom": "Q145", "China": "Q148", "European Union": "Q458"}
NAMED = re.compile(r"[A-ZÀ-Þ]")
NOT_NAMES = frozenset({"We", "Our", "It", "They", "He", "She", "The company", "Nosotros", "Noi", "Wij"})


def measure_aliases() -> Figures:
    """`aliases.…`: the shares of spellings that lead to their entity and of wrong answers. Also by language."""
    if not VARIANTS.exists():
        return {}
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    with VARIANTS.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            wanted[row["surface"], row["lang"]].add(KINGDOM.get(row["qid"], row["qid"]))
    rows = [
        {"id": f"{language}:{number}", "content": surface, "declared_language": language}
        for number, (surface, language) in enumerate(wanted)
    ]
    counts: Counter[str] = Counter()
    for (_, language), truth, article in zip(wanted, wanted.values(), enrich_rows(rows), strict=True):
        answer = next((entity.id for entity in article.entities if entity.id.startswith("Q")), None)
        counts["all"] += 1
        counts["right"] += answer in truth
        counts["wrong"] += answer is not None and answer not in truth
        counts[f"all {language}"] += 1
        counts[f"right {language}"] += answer in truth
    languages = sorted(key.removeprefix("all ") for key in counts if key.startswith("all "))
    return {
        "aliases.recall": counts["right"] / counts["all"],
        "aliases.wrong": counts["wrong"] / counts["all"],
        **{f"aliases.recall.{code}": counts[f"right {code}"] / counts[f"all {code}"] for code in languages},
    }


def measure_links() -> Figures:
    """`links.LANGUAGE.…` on the named mentions of Wikinews whose id the gazetteer has. `links.coverage` is their share.

    A mention is right if the text links that spelling, or a spelling inside it ("the Boeing plant"), to its id.
    """
    titles = _ids_by_title()
    return score_links(list(read_lines(WIKINEWS)), titles) if titles else {}


def score_links(rows: Sequence[dict[str, Any]], titles: dict[str, str]) -> Figures:
    """`links.…` of these rows. Their ids are titles of the English Wikipedia."""
    found = enrich_rows([{"id": row["id"], "content": row["text"], "declared_language": row["lang"]} for row in rows])
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, article in zip(rows, found, strict=True):
        counts[row["lang"]].update(_count_mentions(row, article, titles))
    figures: Figures = {}
    for language, count in sorted(counts.items()):
        figures |= prf(count["right"], count["answered"], count["wanted"], f"links.{language}.")
    total = sum(counts.values(), Counter())
    figures |= prf(total["right"], total["answered"], total["wanted"], "links.")
    figures["links.coverage"] = total["wanted"] / total["linked"]
    return figures


def _count_mentions(row: dict[str, Any], article: EnrichedArticle, titles: dict[str, str]) -> Iterator[str]:
    """One word for each thing to count."""
    linked: dict[str, set[str]] = defaultdict(set)
    for entity in article.entities:
        for mention in entity.mentions:
            linked[mention.surface].add(entity.id)
    for mention in row["entities"]:
        surface, page = mention["text"], mention["dbpedia"]
        if not page or not NAMED.search(surface) or surface in NOT_NAMES:
            continue
        yield "linked"
        wanted = titles.get(unquote(page).replace("_", " "))
        if wanted is None:
            if surface in linked:
                yield "answered"
            continue
        yield "wanted"
        near = [ids for spelling, ids in linked.items() if spelling in surface or surface in spelling]
        if any(wanted in ids for ids in near):
            yield from ("right", "answered")
        elif surface in linked:
            yield "answered"


def _ids_by_title() -> dict[str, str]:
    """Ids of the gazetteer by English Wikipedia title (DBpedia ids). If two places share a name, the larger wins."""
    if not all(path.exists() for path in TITLED):
        return {}
    pages = ((row["enwiki"], row["qid"]) for path in TITLED for row in _read_tsv(path) if row["enwiki"])
    return add_pages(pages)


def shipped_ids_by_title() -> dict[str, str]:
    """The same for the pages that Wikinews links to, using only shipped data."""
    return add_pages((row["enwiki"], row["qid"]) for row in _read_tsv(PAGES))


def add_pages(pages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Ids by the gazetteer's own names and by these (title, id) pairs, if the gazetteer has the id."""
    gazetteer = load_gazetteer()
    titles: dict[str, str] = {}
    prominence: dict[str, float] = {}
    for known in gazetteer.entities:
        if known.prominence >= prominence.get(known.name, 0.0):
            titles[known.name], prominence[known.name] = known.id, known.prominence
    ids = {known.id for known in gazetteer.entities}
    for title, known_id in pages:
        if known_id in ids:
            titles.setdefault(title, known_id)
    return titles | COUNTRIES_BY_TITLE


def _read_tsv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def measure_read(path: Path = READ) -> Figures:
    """`links.read.wrong`: the share of wrong links among the links that were read. Unsure links do not count."""
    if not path.exists():
        return {}
    with path.open(encoding="utf8") as file:
        verdicts = Counter(row["verdict"] for row in csv.DictReader(file, delimiter="\t"))
    judged = verdicts["right"] + verdicts["wrong"]
    return {"links.read.wrong": verdicts["wrong"] / judged, "links.read.judged": float(judged)}


def score_read_again(texts: Mapping[str, EnrichedArticle]) -> Figures:
    """`links.read.…`: links that people read in these articles (by id), compared with the links of today.

    `right_kept` is the share of right links that are still made. `wrong_made` is the number of wrong links made.
    """
    made: Counter[str] = Counter()
    for row in _read_tsv(READ):
        if row["doc"] in texts and row["verdict"] in {"right", "wrong"}:
            made[row["verdict"]] += 1
            made[f"{row['verdict']} again"] += _has_link(texts[row["doc"]], row)
    return {
        "links.read.right_kept": made["right again"] / made["right"],
        "links.read.wrong_made": float(made["wrong again"]),
        "links.read.judged_right": float(made["right"]),
    }


def _has_link(article: EnrichedArticle, row: Mapping[str, str]) -> bool:
    """Whether the article still links this spelling to this id."""
    return any(
        entity.id == row["id"] and any(mention.surface == row["surface"] for mention in entity.mentions)
        for entity in article.entities
    )

"""`make eval-gate`: takes one minute, measures what the repository ships, and compares each figure with its limit.

`floors.toml` holds the limits. A figure has fallen if it is below its floor, above its ceiling, or missing. The same
code gives the same figures every time: samples and seeds are fixed, and no shared data is read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from benchmarks.quality.corpora import WIKINEWS, read_lines, shippable_sources
from benchmarks.quality.links import score_links, score_read_again, shipped_ids_by_title
from benchmarks.quality.scores import Figures
from benchmarks.quality.scoring import enrich_rows
from benchmarks.quality.scraped import Half, Source, make_set, patterns
from benchmarks.quality.seeds import measure_seeds
from benchmarks.quality.stories.copies import copy_rows
from benchmarks.quality.stories.corpora import Labelled, load_seeds, to_labelled
from benchmarks.quality.stories.evaluate import count_seeds_alone, measure_stream, score_duplicates
from benchmarks.quality.stories.templates import template_rows
from benchmarks.quality.texts import HALVES, SAMPLES, SEED, score_clean, score_language
from schemas.article import EnrichedArticle
from services.dedup.pairs import load_weights
from services.worker.stages import stage_slice

FLOORS = Path(__file__).with_name("floors.toml")
EXAMPLES = """examples:
  python -m benchmarks.quality.gate                    every part, about a minute
  python -m benchmarks.quality.gate --only language    one part
  python -m benchmarks.quality.gate --json > figures.json
"""
CLEAN_ROWS = 360
TEMPLATE_ROWS = 200
TEMPLATE_FILLINGS = 10
COPIED, COPIES = 160, 2
ORDERS = (10,)
WIDEST = 96
"""Characters of the widest table. Used if there is no terminal or the terminal is narrower."""
PHRASE_LETTERS = 25
"""Minimum number of letters in a phrase of page furniture for detecting its language."""
SLOT = re.compile(r"\{\w+\}")
CLEAN_FIGURES = ("title_exact", "date_f1", "dates_invented_per_1000_undated", "kept", "dropped")
LANGUAGE_FIGURES = ("macro_f1", "undetermined", "wrong", "calibration_error")
LINK_FIGURES = ("precision", "recall", "coverage")
DUPLICATE_FIGURES = ("precision", "recall", "templates.false_pairs")
STORY_FIGURES = ("b3.precision", "b3.recall", "b3.f1", "cross_lingual.f1", "order_largest")
Status = Literal["ok", "FELL", "missing", "no limit"]


@dataclass(frozen=True, slots=True)
class Limit:
    """The floor or ceiling of a figure, and the value of the figure when the limit was set."""

    kind: Literal["floor", "ceiling"]
    value: float
    measured: float

    def holds(self, value: float) -> bool:
        """Whether a figure is within this limit."""
        return value >= self.value if self.kind == "floor" else value <= self.value


@dataclass(frozen=True, slots=True)
class Seconds:
    """The time of a part: wall clock and CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure of this run with its limit. One of the two may be missing."""

    figure: str
    value: float | None
    limit: Limit | None

    @property
    def status(self) -> Status:
        """The result of the comparison in one word."""
        if self.limit is None:
            return "no limit"
        if self.value is None:
            return "missing"
        return "ok" if self.limit.holds(self.value) else "FELL"


@cache
def wikinews() -> list[dict[str, Any]]:
    """The 240 Wikinews articles in the repository."""
    return list(read_lines(WIKINEWS))


def measure_seed_articles() -> Figures:
    """`seeds.…`: language, date and entities of the five seeds, and the minimum number of stories they form."""
    return measure_seeds() | {"seeds.stories": count_seeds_alone(load_seeds(stage_slice((), vectors=True)))}


def measure_languages() -> Figures:
    """`language.…`: Wikinews in four languages, whole and shortened, and page phrases in fifteen languages."""
    truths = [row["lang"] for row in wikinews()]
    sets = {name: (truths, [sample(row) for row in wikinews()]) for name, sample in SAMPLES.items()}
    phrases = list(held_out_phrases())
    sets["phrases"] = ([language for language, _ in phrases], [phrase for _, phrase in phrases])
    figures: Figures = {}
    for name, (languages, texts) in sets.items():
        found = score_language(languages, texts)
        figures |= {f"language.{name}.{key}": found[key] for key in LANGUAGE_FIGURES}
    return figures


def held_out_phrases() -> Iterator[tuple[str, str]]:
    """The language and text of each phrase of page furniture that is long enough."""
    for language, kinds in patterns("held_out").items():
        for pattern in (pattern for chosen in kinds.values() for pattern in chosen):
            phrase = SLOT.sub(" ", pattern if isinstance(pattern, str) else "\n".join(pattern))
            if sum(character.isalpha() for character in phrase) >= PHRASE_LETTERS:
                yield language, phrase


def measure_clean_text() -> Figures:
    """`clean.…`: titles, dates, kept and dropped lines of dressed Wikinews and template news; ambiguous dates."""
    figures: Figures = {}
    for half in HALVES:
        figures |= score_dressed(f"clean.wikinews.{half}", shippable_sources(), half, CLEAN_ROWS)
    figures |= score_dressed("clean.templates.held_out", template_sources(), "held_out", TEMPLATE_ROWS)
    return figures | {"clean.ambiguous_dates_told": count_ambiguous_dates_told()}


def count_ambiguous_dates_told() -> float:
    """The number of English articles that got a date although day and month are ambiguous, such as 05/06/2021."""
    rows = [
        {
            "id": row["id"],
            "content": f"{row['title']}\nPublished: {number % 6 + 1:02}/{number % 5 + 7:02}/2021\n{row['text']}",
        }
        for number, row in enumerate(row for row in wikinews() if row["lang"] == "en")
    ]
    return float(sum(article.published_at is not None for article in enrich_rows(rows)))


def template_sources() -> list[Source]:
    """Template news in the languages that the shipped Wikinews lacks: German, French, Chinese and Japanese."""
    shipped = {row["lang"] for row in wikinews()}
    return [
        Source(row["id"], row["lang"], row["title"], (row["text"],))
        for row in template_rows(TEMPLATE_FILLINGS)
        if row["lang"] not in shipped
    ]


def score_dressed(name: str, sources: list[Source], half: Half, rows: int) -> Figures:
    """`NAME.…` of this many articles, dressed in the furniture of one half."""
    dressed = list(make_set(sources, half, SEED, rows=rows))
    found = score_clean(dressed, enrich_rows(dressed))
    return {f"{name}.{key}": found[key] for key in CLEAN_FIGURES}


def measure_entity_links() -> Figures:
    """`links.…`: mentions in Wikinews, and whether the links that were read by hand are made again."""
    found = score_links(wikinews(), shipped_ids_by_title())
    rows = [{"id": row["id"], "content": f"{row['title']}\n{row['text']}"} for row in wikinews()]
    articles = {row["id"]: article for row, article in zip(rows, enrich_rows(rows), strict=True)}
    figures = {f"links.{key}": found[f"links.{key}"] for key in LINK_FIGURES} | score_read_again(articles)
    return figures | {"links.unlabelled": count_unlabelled_links(articles)}


def count_unlabelled_links(articles: Mapping[str, EnrichedArticle]) -> float:
    """Links in Wikinews on spellings without a label. Most are right, but an increase is a warning."""
    labelled = {row["id"]: [label["text"] for label in row["entities"]] for row in wikinews()}
    spellings = (
        (key, mention.surface)
        for key, article in articles.items()
        for entity in article.entities
        for mention in entity.mentions
    )
    return float(
        sum(not any(spelling in label or label in spelling for label in labelled[key]) for key, spelling in spellings)
    )


def measure_copies() -> Figures:
    """`duplicates.…`: edited copies of Wikinews articles among template news, in which no two reports are copies."""
    found = score_duplicates([*copy_rows(COPIED, COPIES), *template_rows(TEMPLATE_FILLINGS)])
    return {f"duplicates.{key}": found[f"duplicates.{key}"] for key in DUPLICATE_FIGURES}


def measure_grouping() -> Figures:
    """`stories.…`: Wikinews with the shipped weights, with vectors and without, and template news.

    The weights were trained on Wikinews, so these figures show regressions, not quality. `make eval` measures quality.
    """
    stages = stage_slice((), vectors=True)
    labelled = [
        found for row in wikinews() for found in to_labelled("wikinews", row["story"], row["story"], row, stages)
    ]
    bare = [without_vector(found) for found in labelled]
    reports = [
        found
        for row in template_rows(TEMPLATE_FILLINGS)
        for found in to_labelled("templates", row["group"], row["group"], row, stages)
    ]
    figures: Figures = {}
    for name, stream in {"with_vectors": labelled, "without_vectors": bare}.items():
        found = measure_stream(stream, load_weights(), (), ORDERS)
        figures |= {f"stories.{name}.{key}": found[key] for key in STORY_FIGURES}
    found = measure_stream(reports, load_weights(), (), ORDERS)
    return figures | {"stories.templates.b3.precision": found["b3.precision"]}


def without_vector(labelled: Labelled) -> Labelled:
    """The same article as it would be without the encoder."""
    return replace(labelled, article=labelled.article.model_copy(update={"embedding": None}))


PARTS: dict[str, Callable[[], Figures]] = {
    "seeds": measure_seed_articles,
    "language": measure_languages,
    "clean": measure_clean_text,
    "links": measure_entity_links,
    "duplicates": measure_copies,
    "stories": measure_grouping,
}
"""The parts, by the first word in the names of their figures."""


def read_limits(path: Path = FLOORS) -> dict[str, Limit]:
    """The limits by figure, from a TOML file with one table for each part."""
    content = tomllib.loads(path.read_text(encoding="utf8"))
    return {
        f"{part}.{name}": _to_limit(f"{part}.{name}", row)
        for part, rows in content.items()
        for name, row in rows.items()
    }


def _to_limit(figure: str, row: Mapping[str, float]) -> Limit:
    """One line of the file. ValueError says what is wrong with it."""
    measured = row.get("measured")
    match {key: value for key, value in row.items() if key != "measured"}:
        case {"floor": value, **other} if not other and measured is not None:
            limit = Limit("floor", float(value), float(measured))
        case {"ceiling": value, **other} if not other and measured is not None:
            limit = Limit("ceiling", float(value), float(measured))
        case _:
            raise ValueError(f"{figure} needs a floor or a ceiling, and what was measured: it has {', '.join(row)}.")
    if not limit.holds(limit.measured):
        raise ValueError(f"{figure} was measured as {limit.measured:g}, on the wrong side of its {limit.kind}.")
    return limit


def judge(figures: Figures, limits: Mapping[str, Limit]) -> list[Verdict]:
    """Compare every figure with its limit. A limit without a figure also gives a verdict."""
    names = dict.fromkeys([*figures, *limits])
    return [Verdict(name, figures.get(name), limits.get(name)) for name in names]


def to_sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """One sentence for each kind of problem. Empty if all figures hold."""
    by_status: dict[Status, list[Verdict]] = {}
    for verdict in verdicts:
        by_status.setdefault(verdict.status, []).append(verdict)
    sentences = []
    if fell := by_status.get("FELL"):
        sentences.append(f"{_count(fell)} fell: {', '.join(map(_tell, fell))}.")
    if missing := by_status.get("missing"):
        sentences.append(f"{_count(missing)} missing: {', '.join(verdict.figure for verdict in missing)}.")
    if new := by_status.get("no limit"):
        told = ", ".join(f"{verdict.figure} ({_show(verdict.value)})" for verdict in new)
        sentences.append(f"{_count(new)} without a floor or a ceiling in {FLOORS.name}: {told}.")
    return sentences


def _count(verdicts: Sequence[Verdict]) -> str:
    return "1 figure" if len(verdicts) == 1 else f"{len(verdicts)} figures"


def _tell(verdict: Verdict) -> str:
    limit = verdict.limit
    return f"{verdict.figure} ({_show(verdict.value)}, {limit.kind} {limit.value:g})" if limit else verdict.figure


def _show(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 4):g}"


def to_table(verdicts: Sequence[Verdict]) -> Table:
    """Every figure with its limit. Figures that do not hold are marked."""
    table = Table(title="Quality gate", title_justify="left", box=None)
    table.add_column("figure", no_wrap=True)
    for column in ("measured", "limit", "when set", ""):
        table.add_column(column, justify="right")
    for verdict in verdicts:
        limit = verdict.limit
        shown = f"{'≥' if limit.kind == 'floor' else '≤'} {limit.value:g}" if limit else "-"
        before = _show(limit.measured if limit else None)
        style = "" if verdict.status == "ok" else "bold red"
        table.add_row(verdict.figure, _show(verdict.value), shown, before, verdict.status, style=style)
    return table


def to_seconds_table(seconds: Mapping[str, Seconds]) -> Table:
    """Seconds of each part and in total. The CPU seconds show how long an idle core would need."""
    table = Table("part", title="Seconds", title_justify="left", box=None)
    table.add_column("wall", justify="right")
    table.add_column("CPU", justify="right")
    whole = Seconds(sum(spent.wall for spent in seconds.values()), sum(spent.cpu for spent in seconds.values()))
    for part, spent in {**seconds, "all": whole}.items():
        table.add_row(part, f"{spent.wall:.1f}", f"{spent.cpu:.1f}")
    return table


def measure(parts: Sequence[str], console: Console) -> tuple[Figures, dict[str, Seconds]]:
    """The figures of these parts, and the seconds that each part took."""
    figures: Figures = {}
    seconds: dict[str, Seconds] = {}
    for part in parts:
        wall, cpu = time.perf_counter(), time.process_time()
        with console.status(part):
            figures |= PARTS[part]()
        seconds[part] = Seconds(time.perf_counter() - wall, time.process_time() - cpu)
    return figures, seconds


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.gate",
        description=f"Measures what the repository ships and holds it to {FLOORS.name}. Exits with 1 if a figure fell.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=list(PARTS), metavar="PART", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    return parser.parse_args(arguments)


def to_json(verdicts: Sequence[Verdict], seconds: Mapping[str, Seconds]) -> str:
    """Figures, limits and verdicts as one JSON object."""
    rows = {
        verdict.figure: {
            "value": verdict.value,
            **({verdict.limit.kind: verdict.limit.value} if verdict.limit else {}),
            "status": verdict.status,
        }
        for verdict in verdicts
    }
    content = {
        "holds": not to_sentences(verdicts),
        "figures": rows,
        "seconds": {part: asdict(spent) for part, spent in seconds.items()},
    }
    return json.dumps(content, indent=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show and judge. Exit code 1 if a figure fell, 2 if the limits cannot be read."""
    asked = parse(arguments)
    parts = [asked.only] if asked.only else list(PARTS)
    try:
        known = read_limits()
    except ValueError as error:
        print(f"{FLOORS.name}: {error}", file=sys.stderr)
        return 2
    limits = {name: limit for name, limit in known.items() if asked.only in (None, name.partition(".")[0])}
    figures, seconds = measure(parts, Console(stderr=True))
    verdicts = judge(figures, limits)
    if asked.json:
        print(to_json(verdicts, seconds))
    else:
        console = Console()
        console.width = max(console.width, WIDEST)
        console.print(to_table(verdicts))
        console.print(to_seconds_table(seconds))
    sentences = to_sentences(verdicts)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())

"""Measures clean text, titles and dates on dressed articles, and languages on translated news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from typing import Any

from benchmarks.quality.corpora import NTREX, ntrex_sources, read_lines, shippable_sources
from benchmarks.quality.scores import Figures, folded, label_figures, prf
from benchmarks.quality.scoring import enrich_rows
from benchmarks.quality.scraped import Half, Source, make_set
from schemas.article import EnrichedArticle
from services.language import language_of

SEED = 5
ROWS = {"wikinews": 480, "ntrex": 900}
HALVES: tuple[Half, ...] = ("seen", "held_out")
SAME_LANGUAGE = {
    "nob": "no", "nno": "no", "bos": "hbs", "hrv": "hbs", "srp": "hbs", "bs": "hbs", "hr": "hbs", "sr": "hbs", "ind": "ms",
    "id": "ms", "msa": "ms", "prs": "fa", "pes": "fa",
}  # fmt: skip
"""Pairs of languages that a text cannot tell apart count as one language, as in the published figures."""
NTREX_TO_BCP47 = {
    "afr": "af", "amh": "am", "arb": "ar", "aze": "az", "bel": "be", "ben": "bn", "bul": "bg", "cat": "ca", "ces": "cs", "cym": "cy", "dan": "da",
    "deu": "de", "ell": "el", "eng": "en", "est": "et", "eus": "eu", "fas": "fa", "fin": "fi", "fra": "fr", "gle": "ga", "glg": "gl", "guj": "gu",
    "heb": "he", "hin": "hi", "hrv": "hbs", "hun": "hu", "hye": "hy", "ind": "ms", "isl": "is", "ita": "it", "jpn": "ja", "kan": "kn", "kat": "ka",
    "kaz": "kk", "khm": "km", "kor": "ko", "lao": "lo", "lav": "lv", "lit": "lt", "mal": "ml", "mkd": "mk", "mlt": "mt", "mya": "my", "nep": "ne",
    "nld": "nl", "nob": "no", "pan": "pa", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "slv": "sl", "som": "so", "spa": "es",
    "sqi": "sq", "srp": "hbs", "swa": "sw", "swe": "sv", "tam": "ta", "tat": "tt", "tha": "th", "tur": "tr", "ukr": "uk", "urd": "ur", "uzb": "uz",
    "vie": "vi", "xho": "xh", "zho": "zh", "zul": "zu",
}  # fmt: skip
SAMPLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "documents": lambda row: row["text"],
    "headlines": lambda row: row["title"],
    "80_characters": lambda row: row["text"][:80],
    "30_characters": lambda row: row["text"][:30],
}


def measure_clean() -> Figures:
    """`clean.SET.HALF.…` on Wikinews (shipped) and on NTREX if it is available."""
    sets: dict[str, list[Source]] = {"wikinews": shippable_sources()}
    if NTREX.exists():
        sets["ntrex"] = ntrex_sources()
    figures: Figures = {}
    for name, sources in sets.items():
        for half in HALVES:
            rows = list(make_set(sources, half, SEED, rows=ROWS[name]))
            found = score_clean(rows, enrich_rows(rows))
            figures |= {f"clean.{name}.{half}.{key}": value for key, value in found.items()}
    return figures


def score_clean(rows: Sequence[dict[str, Any]], found: Sequence[EnrichedArticle]) -> Figures:
    """Exact titles, dates (null counts as an answer), and kept and dropped lines."""
    counts: Counter[str] = Counter()
    for row, article in zip(rows, found, strict=True):
        text = folded(f"{article.title or ''}\n{article.text}")
        day = article.published_at.date().isoformat() if article.published_at else None
        counts["rows"] += 1
        counts["titles"] += folded(article.title) == folded(row["title"])
        counts["dated"] += row["date"] is not None
        counts["dates"] += day is not None
        counts["right dates"] += day is not None and day == row["date"]
        counts["undated"] += row["date"] is None
        counts["invented"] += row["date"] is None and day is not None
        counts["keep"] += len(row["keep"])
        counts["kept"] += sum(folded(line) in text for line in row["keep"])
        counts["drop"] += len(row["drop"])
        counts["dropped"] += sum(folded(line) not in text for line in row["drop"])
    return {
        "title_exact": counts["titles"] / counts["rows"],
        **prf(counts["right dates"], counts["dates"], counts["dated"], "date_"),
        "dates_invented_per_1000_undated": 1000 * counts["invented"] / counts["undated"],
        "kept": counts["kept"] / counts["keep"],
        "dropped": counts["dropped"] / counts["drop"],
    }


def language_rows() -> list[dict[str, Any]]:
    """The documents of NTREX in the measured languages, in their usual script."""
    return [
        row for row in read_lines(NTREX) if row["lang"].split("-")[0] in NTREX_TO_BCP47 and "Latn" not in row["lang"]
    ]


def measure_language() -> Figures:
    """`language.SAMPLE.…` on NTREX-128 in 69 languages. Close pairs count as one. Empty if NTREX is not available."""
    if not NTREX.exists():
        return {}
    rows = language_rows()
    truths = [NTREX_TO_BCP47[row["lang"].split("-")[0]] for row in rows]
    figures: Figures = {}
    for name, sample in SAMPLES.items():
        found = score_language(truths, [sample(row) for row in rows])
        figures |= {f"language.{name}.{key}": value for key, value in found.items()}
    return figures


def score_language(truths: Sequence[str], texts: Sequence[str]) -> Figures:
    """Figures of the labels, and the calibration error, for texts with known languages."""
    answers = [language_of(text) for text in texts]
    codes = [SAME_LANGUAGE.get(answer.code, answer.code) for answer in answers]
    judged = [
        (answer.confidence, code == truth)
        for truth, code, answer in zip(truths, codes, answers, strict=True)
        if answer.code != "und"
    ]
    figures = label_figures(zip(truths, codes, strict=True))
    return figures | {"calibration_error": _calibration_error(judged)}


def _calibration_error(answers: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error (Naeini, Cooper, Hauskrecht 2015): the mean distance between confidence and truth."""
    ordered = sorted(answers)
    size = max(1, len(ordered) // bins)
    total = 0.0
    iterator = iter(ordered)
    while chunk := list(islice(iterator, size)):
        confidence = sum(score for score, _ in chunk) / len(chunk)
        truth = sum(right for _, right in chunk) / len(chunk)
        total += abs(confidence - truth) * len(chunk)
    return total / len(ordered)


def reliability(rows: Sequence[tuple[float, bool]], edges: Sequence[float]) -> list[tuple[float, float, int]]:
    """(mean confidence, share of right answers, number of answers) for each interval between edges that has any answers."""
    table = []
    for low, high in pairwise(edges):
        inside = [(score, right) for score, right in rows if low <= score < high]
        if inside:
            mean = sum(score for score, _ in inside) / len(inside)
            table.append((mean, sum(right for _, right in inside) / len(inside), len(inside)))
    return table

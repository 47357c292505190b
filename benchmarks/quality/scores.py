"""The measures that the benchmarks use: precision, recall and F1, and their mean over classes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

Figures = dict[str, float]


def prf(right: int, answered: int, wanted: int, prefix: str = "") -> Figures:
    """Precision, recall and F1 from counts."""
    precision = right / answered if answered else 0.0
    recall = right / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {f"{prefix}precision": precision, f"{prefix}recall": recall, f"{prefix}f1": f1}


def label_figures(pairs: Iterable[tuple[str, str]], unknown: str = "und") -> Figures:
    """Macro-F1 over the true labels, shares of unknown and of wrong answers, and the highest false positive rate.

    `pairs` are (truth, answer).
    """
    counted = Counter(pairs)
    truths = Counter[str]()
    answers = Counter[str]()
    for (truth, answer), count in counted.items():
        truths[truth] += count
        answers[answer] += count
    total = truths.total()
    f1 = [2 * counted[label, label] / (truths[label] + answers[label]) for label in truths]
    false = [
        (answers[label] - counted[label, label]) / (total - truths[label]) for label in answers if label != unknown
    ]
    right = sum(count for (truth, answer), count in counted.items() if truth == answer)
    return {
        "macro_f1": sum(f1) / len(f1),
        "undetermined": answers[unknown] / total,
        "wrong": (total - right - answers[unknown]) / total,
        "worst_false_positive_rate": max(false, default=0.0),
        "labels": float(len(truths)),
    }


def folded(text: str | None) -> str:
    """Words and numbers in lower case, for comparisons that ignore punctuation and spaces."""
    return re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text or "").casefold()).strip()

"""The interface of all name finders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

NameType = Literal["PER", "ORG", "LOC"]


@dataclass(frozen=True, slots=True)
class NameSpan:
    """A name at code points [start, end). `confidence` in (0, 1] is for the span, not for the type."""

    start: int
    end: int
    type: NameType
    confidence: float


class NameFinder(Protocol):
    """Finds names in running text."""

    def find(self, text: str, language: str) -> tuple[NameSpan, ...]:
        """The names in order and without overlaps. `language` is BCP 47, or `und` when it is not known."""
        ...


def without_overlaps(spans: Iterable[NameSpan]) -> tuple[NameSpan, ...]:
    """The spans in order. Of two overlapping spans the more confident stays, then the longer, then the first."""
    kept: list[NameSpan] = []
    for span in sorted(spans, key=lambda span: (-span.confidence, span.start - span.end, span.start)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return tuple(sorted(kept, key=lambda span: span.start))

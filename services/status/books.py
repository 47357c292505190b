"""The books: everything the ledger promised is indexed, dead or still on its way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of articles, but `sent` and `in_flight`, which count messages.

    `superseded` are messages of the ledger that a later message of the same article replaced or repeated.
    """

    sent: int
    articles: int
    indexed: int
    dead: int
    in_flight: int

    @property
    def superseded(self) -> int:
        """Messages beyond the first of each article."""
        return self.sent - self.articles

    @property
    def missing(self) -> int:
        """Articles that are neither indexed nor dead."""
        return max(0, self.articles - self.indexed - self.dead)

    @property
    def balanced(self) -> bool:
        """Whether what is missing can still be on its way."""
        return self.missing <= self.in_flight

    def to_dict(self) -> dict[str, int | bool]:
        """Every figure, as shown and as JSON."""
        return {
            "sent": self.sent,
            "articles": self.articles,
            "indexed": self.indexed,
            "dead": self.dead,
            "superseded": self.superseded,
            "in_flight": self.in_flight,
            "missing": self.missing,
            "balanced": self.balanced,
        }

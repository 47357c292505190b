"""The books: every article of the ledger must be indexed, dead or still on its way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of articles. Only `sent`, `superseded` and `in_flight` count messages.

    `superseded` are messages of the ledger that a later message of the same article replaced or repeated.
    """

    sent: int
    articles: int
    indexed: int
    dead: int
    in_flight: int

    @property
    def superseded(self) -> int:
        """The number of messages after the first one of each article."""
        return self.sent - self.articles

    @property
    def missing(self) -> int:
        """Articles that are neither indexed nor dead."""
        return max(0, self.articles - self.indexed - self.dead)

    @property
    def balanced(self) -> bool:
        """Whether all missing articles can still be on their way."""
        return self.missing <= self.in_flight

    def to_dict(self) -> dict[str, int | bool]:
        """All figures, for the table and for JSON."""
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

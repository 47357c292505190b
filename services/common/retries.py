"""Backoff with a cap and jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", full jitter)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Seconds to wait before the next try: uniform in [base, min(cap, base · 2^tries)]."""

    base_seconds: float = 0.2
    cap_seconds: float = 30.0
    tries: int = 0
    random: random.Random = field(default_factory=random.Random)

    def next_seconds(self) -> float:
        """The wait before the next try. Its upper limit grows with each call."""
        ceiling = min(self.cap_seconds, self.base_seconds * 2**self.tries)
        self.tries = min(self.tries + 1, 32)
        return self.random.uniform(self.base_seconds, max(ceiling, self.base_seconds))

    def reset(self) -> None:
        """Start again after a success."""
        self.tries = 0

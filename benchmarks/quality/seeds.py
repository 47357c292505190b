"""Compares the five seed articles with their true properties."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from benchmarks.corpus import SEEDS, SEEDS_GOLD
from benchmarks.quality.scores import Figures
from benchmarks.quality.scoring import enrich_rows


@dataclass(slots=True)
class SeedAnswers:
    """The number of right answers, the number of all answers, and the wrong ones."""

    right: int = 0
    of: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, *, right: bool, otherwise: str) -> None:
        """Count one answer."""
        self.of += 1
        self.right += right
        if not right:
            self.wrong.append(otherwise)


def score_seeds() -> dict[str, SeedAnswers]:
    """Check language, stated date and entities. A missing date also counts as an answer."""
    answers = {"language": SeedAnswers(), "date": SeedAnswers(), "entities": SeedAnswers()}
    gold = json.loads(SEEDS_GOLD.read_text(encoding="utf8"))["docs"]
    rows = [{"id": name, "content": (SEEDS / name).read_text(encoding="utf8")} for name in gold]
    for (name, truth), found in zip(gold.items(), enrich_rows(rows), strict=True):
        code, day = found.language.code, str(found.published_at.date()) if found.published_at else None
        answers["language"].add(right=code == truth["lang"], otherwise=f"{name}: {code}, not {truth['lang']}")
        answers["date"].add(right=day == truth["published"], otherwise=f"{name}: {day}, not {truth['published']}")
        linked = {entity.id for entity in found.entities}
        for entity, spellings in truth["entities"].items():
            answers["entities"].add(right=entity in linked, otherwise=f"{name}: {entity} ({spellings[0]}) not found")
    return answers


def measure_seeds() -> Figures:
    """`seeds.…`: the share of right answers."""
    return {f"seeds.{name}": answered.right / answered.of for name, answered in score_seeds().items()}

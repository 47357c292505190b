"""Trains the weights of the pair score (services/dedup/weights.json) on labelled stories; bit for bit the same.

    python -m tools.story_weights [SOURCES] [--edits FILE]

SOURCES is a folder with wikinews/, ntrex/ and measure-only/ (default: the shared data). `--edits` adds what people
decided with `dragoman stories` (written by `dragoman stories export`). It writes the weights,
and `story_weights_manifest.json` beside this file, which names every input by its hash; docs/adr/0006 says why these
features and these two thresholds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from benchmarks.corpus import SHARED
from benchmarks.quality.stories.corpora import FILES, load
from benchmarks.quality.stories.fit import BY_HAND, L2, ORDERS, STEPS, train
from services.dedup.pairs import CAPITAL_KINDS, FEATURES, VECTOR_KINDS, WEIGHTS, PairWeights
from services.worker.stages import stage_slice
from tools.story_edits import read_edit_pairs

MANIFEST = Path(__file__).with_name("story_weights_manifest.json")


def write(weights: PairWeights, path: Path = WEIGHTS) -> None:
    """The weights as readable JSON."""
    content: dict[str, Any] = {"thresholds": {"join": weights.join, "merge": weights.merge}}
    for capitals, row in zip(CAPITAL_KINDS, weights.models.tolist(), strict=True):
        content[capitals] = {
            vectors: dict(zip(FEATURES, values, strict=True)) for vectors, values in zip(VECTOR_KINDS, row, strict=True)
        }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")


def manifest(sources: Path, edits: Path | None, counts: dict[str, int]) -> dict[str, Any]:
    """Which files the weights come from, by SHA-256, and how many articles of each corpus."""
    files = [*(sources / path for path in FILES.values()), *([edits] if edits else [])]
    return {
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "articles": counts,
        "stages": {stage.name: stage.version for stage in stage_slice((), vectors=True)},
        "settings": {"orders": ORDERS, "steps": STEPS, "l2": L2, "by_hand": BY_HAND},
    }


def main() -> None:
    """Enrich, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="?", type=Path, default=SHARED / "data")
    parser.add_argument("--edits", type=Path, help="what `dragoman stories export` wrote")
    asked = parser.parse_args()
    missing = [str(path) for path in FILES.values() if not (asked.sources / path).is_file()]
    if missing:
        parser.error(f"{asked.sources} lacks {', '.join(missing)}: the weights in the repository are from them")
    stages = stage_slice((), vectors=True)
    articles = load(asked.sources, stages)
    weights = train(articles, read_edit_pairs(asked.edits, stages, articles) if asked.edits else None)
    write(weights)
    counts: dict[str, int] = {}
    for labelled in articles:
        counts[labelled.corpus] = counts.get(labelled.corpus, 0) + 1
    MANIFEST.write_text(json.dumps(manifest(asked.sources, asked.edits, counts), indent=1) + "\n", encoding="utf8")
    print(f"{WEIGHTS.name} written from {len(articles):,} articles")


if __name__ == "__main__":
    main()

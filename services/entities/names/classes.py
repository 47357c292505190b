"""Word classes: words that are parts of names of persons, places and organisations in public lists."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

CLASSES = Path(__file__).with_name("data") / "words.tsv.gz"


@cache
def load_classes(path: Path = CLASSES) -> dict[str, str]:
    """Classes by folded word. The file is read once per process. `tools/names/lexicon.py` explains the letters."""
    with gzip.open(path, "rt", encoding="utf8") as file:
        return dict(line.rstrip("\n").split("\t", 1) for line in file)

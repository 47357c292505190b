"""What words are elsewhere: parts of persons', places' and organisations' names in public lists."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

CLASSES = Path(__file__).with_name("data") / "words.tsv.gz"


@cache
def load_classes(path: Path = CLASSES) -> dict[str, str]:
    """Kinds by folded word, read once a process; `train.py` says what the letters mean."""
    with gzip.open(path, "rt", encoding="utf8") as file:
        return dict(line.rstrip("\n").split("\t", 1) for line in file)

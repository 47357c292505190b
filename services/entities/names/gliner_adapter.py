"""Finds names with a GLiNER model from a folder of the operator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from services.entities.names.base import NameSpan, NameType, without_overlaps
from services.entities.names.features import split_sentences, tokenize

LABELS: dict[str, NameType] = {"person": "PER", "organization": "ORG", "location": "LOC"}
"""Labels for GLiNER (Zaratiana et al. 2024), and our types for them."""
THRESHOLD = 0.5
"""GLiNER's own default."""
MAX_TOKENS = 250
"""GLiNER ignores text after its `max_len` of 384 words. This value is smaller because its tokens differ from ours."""
SURROGATE = re.compile("[\ud800-\udfff]")


class GlinerModel(Protocol):
    """The used part of `gliner.GLiNER`."""

    def predict_entities(self, text: str, labels: list[str], *, threshold: float) -> list[dict[str, Any]]:
        """Dicts with `start`, `end` (code points), `text`, `label` and `score`."""
        ...


class GlinerNameFinder:
    """Runs one model on texts in any language."""

    def __init__(self, model: str | Path | GlinerModel) -> None:
        self._model = _load(Path(model)) if isinstance(model, (str, Path)) else model

    def find(self, text: str, language: str) -> tuple[NameSpan, ...]:  # noqa: ARG002 - the model does not use the language
        """The persons, organisations and places of the model. Its score is the confidence."""
        clean = SURROGATE.sub("\ufffd", text)
        return without_overlaps(
            NameSpan(offset + found["start"], offset + found["end"], LABELS[found["label"]], float(found["score"]))
            for offset, part in _parts(clean)
            for found in self._model.predict_entities(part, list(LABELS), threshold=THRESHOLD)
        )


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Groups of whole sentences with at most `MAX_TOKENS` tokens, with their offsets."""
    starts = tokenize(text).starts
    cuts = [0]
    for begin, end in split_sentences(text, starts):
        if end - cuts[-1] > MAX_TOKENS:
            cuts.append(begin)
    for first, last in pairwise([*cuts, len(starts)]):
        if first < last:
            end = starts[last] if last < len(starts) else len(text)
            yield starts[first], text[starts[first] : end]


def _load(folder: Path) -> GlinerModel:
    """Load the model from a folder. Nothing is downloaded."""
    if not folder.is_dir():
        raise ValueError(f"names: {folder} is no folder with a GLiNER model: download a model to it first")
    try:
        gliner = import_module("gliner")
    except ImportError as error:
        raise ValueError("names: GLiNER is not installed: pip install gliner") from error
    model: GlinerModel = gliner.GLiNER.from_pretrained(str(folder), local_files_only=True)
    return model

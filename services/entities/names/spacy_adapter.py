"""Finds names with a spaCy pipeline that the operator has installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

from services.entities.names.base import NameSpan, NameType, without_overlaps

LABELS: dict[str, NameType] = {
    **dict.fromkeys(("PER", "PERSON", "PRS", "PS", "persName"), "PER"),
    **dict.fromkeys(("ORG", "ORGANIZATION", "OG", "orgName"), "ORG"),
    **dict.fromkeys(("LOC", "GPE", "GPE_LOC", "GPE_ORG", "FAC", "FACILITY", "LC", "placeName", "geogName"), "LOC"),
}
"""Labels of spaCy pipelines, including the Finnish, Korean, Norwegian, Polish, Romanian and Swedish ones."""
CONFIDENCE = 0.85
"""spaCy gives no score for names. Its small pipelines have F 0.80 to 0.86 on their own test data."""
UNUSED = ("tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer", "trainable_lemmatizer")
"""Components that names do not need. They are not loaded."""
ANY_LANGUAGE = frozenset({"xx", "mul"})
SURROGATE = re.compile("[\ud800-\udfff]")


class Pipeline(Protocol):
    """The used part of `spacy.language.Language`."""

    lang: str
    max_length: int

    def __call__(self, text: str) -> Any:
        """A document whose `ents` have `start_char`, `end_char` (code points) and `label_`."""
        ...


class SpacyNameFinder:
    """Runs one pipeline on texts in its language. An `xx` pipeline runs on all texts."""

    def __init__(self, pipeline: str | Pipeline) -> None:
        self._nlp = _load(pipeline) if isinstance(pipeline, str) else pipeline

    def find(self, text: str, language: str) -> tuple[NameSpan, ...]:
        """The persons, organisations and places of the pipeline. Empty for texts in another language."""
        if self._nlp.lang not in ANY_LANGUAGE and language.split("-", maxsplit=1)[0].casefold() != self._nlp.lang:
            return ()
        clean = SURROGATE.sub("\ufffd", text)
        return without_overlaps(
            NameSpan(offset + entity.start_char, offset + entity.end_char, LABELS[entity.label_], CONFIDENCE)
            for offset, part in _parts(clean, self._nlp.max_length)
            for entity in self._nlp(part).ents
            if entity.label_ in LABELS
        )


def _parts(text: str, size: int) -> Iterator[tuple[int, str]]:
    """The text in pieces that are short enough for the pipeline, with their offsets."""
    for offset in range(0, len(text), size):
        yield offset, text[offset : offset + size]


def _load(name: str) -> Pipeline:
    try:
        spacy = import_module("spacy")
    except ImportError as error:
        raise ValueError(f"names: spaCy is not installed: pip install spacy, and the pipeline {name}") from error
    try:
        pipeline: Pipeline = spacy.load(name, exclude=UNUSED)
    except OSError as error:
        raise ValueError(
            f"names: the spaCy pipeline {name} is not installed: pip install its package, or give its folder"
        ) from error
    return pipeline

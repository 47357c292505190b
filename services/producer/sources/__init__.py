"""The source types: one file each, and one line each in this table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.producer.sources.base import Entry, Problem, Source, SourceError, SourceOptions
from services.producer.sources.folder import FolderSource
from services.producer.sources.jsonl import JsonlSource

SOURCES: tuple[tuple[Callable[[Path], bool], Callable[[Path, SourceOptions], Source]], ...] = (
    (JsonlSource.accepts, JsonlSource),
    (FolderSource.accepts, FolderSource),
)
"""What each type accepts, and how it is made; the first that accepts a path reads it."""


def open_source(path: Path, options: SourceOptions) -> Source:
    """The source of a path; SourceError says why there is none."""
    if not path.exists():
        raise SourceError(f"{path} does not exist.")
    for accepts, make in SOURCES:
        if accepts(path):
            return make(path, options)
    raise SourceError(f"{path} is neither a folder, a text or HTML file, nor JSONL.")


__all__ = ["SOURCES", "Entry", "Problem", "Source", "SourceError", "SourceOptions", "open_source"]

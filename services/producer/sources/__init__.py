"""The source types. Each has a file and a line in a table: paths here, fetched documents in `formats.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from schemas.feed import FeedType
from services.producer.sources.base import Entry, Problem, Source, SourceError, SourceOptions
from services.producer.sources.csv_file import CsvSource
from services.producer.sources.document_file import DocumentFileSource
from services.producer.sources.folder import FolderSource
from services.producer.sources.jsonl import JsonlSource
from services.producer.sources.topic import SCHEME, TopicSource
from services.producer.sources.warc import WarcSource

SOURCES: tuple[tuple[Callable[[Path], bool], Callable[[Path, SourceOptions], Source]], ...] = (
    (JsonlSource.accepts, JsonlSource),
    (CsvSource.accepts, CsvSource),
    (WarcSource.accepts, WarcSource),
    (DocumentFileSource.accepts, DocumentFileSource),
    (FolderSource.accepts, FolderSource),
)
"""For each type: the function that accepts a path, and its constructor. The first type that accepts a path reads it."""


BY_TYPE: dict[FeedType, Callable[[Path, SourceOptions], Source]] = {
    FeedType.FOLDER: FolderSource,
    FeedType.JSONL: JsonlSource,
    FeedType.CSV: CsvSource,
    FeedType.WARC: WarcSource,
    FeedType.FEED: DocumentFileSource,
    FeedType.SITEMAP: DocumentFileSource,
    FeedType.PAGE: DocumentFileSource,
}
"""The source for a stated type. The file name does not matter then."""


def open_source(path: Path, options: SourceOptions, stated: FeedType | None = None) -> Source:
    """The source of a path. SourceError says why there is no source."""
    if not path.exists():
        raise SourceError(f"{path} does not exist.")
    if stated in BY_TYPE:
        return BY_TYPE[stated](path, options)
    for accepts, make in SOURCES:
        if accepts(path):
            return make(path, options)
    raise SourceError(f"{path} is not a folder, and its name is not that of text, HTML, JSONL, CSV, WARC or a feed.")


def open_place(place: str, options: SourceOptions) -> Source:
    """The source of a path or of `kafka://host:port/topic`. SourceError says why there is no source."""
    return TopicSource(place, options) if place.startswith(SCHEME) else open_source(Path(place), options)


__all__ = ["SOURCES", "Entry", "Problem", "Source", "SourceError", "SourceOptions", "open_place", "open_source"]

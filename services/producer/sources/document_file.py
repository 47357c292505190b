"""A feed, sitemap or page that lies in a file: read whole, as if it had been fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.documents import Document, NotThisFormatError, within_limit
from services.producer.sources.formats import parse_document

SUFFIXES = frozenset({".xml", ".rss", ".atom", ".rdf", ".json", ".opml"})


class DocumentFileSource:
    """The entries of one document."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._source_id = options.source_id or path.stem
        self._options = options

    @staticmethod
    def accepts(path: Path) -> bool:
        """Files whose names say XML or a feed."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    @property
    def total(self) -> None:
        """Not known without reading it."""
        return

    def entries(self) -> Iterator[Entry | Problem]:
        """Each entry, or what is wrong with it; SourceError where the file is no such document."""
        size = self._path.stat().st_size
        if size > self._options.max_document_bytes:
            reason = f"has {size:,} bytes; a document may have {self._options.max_document_bytes:,}"
            yield Problem(self._source_id, self._path.name, ProblemKind.TOO_LARGE, reason, kept_at=str(self._path))
            return
        document = Document(self._path.absolute().as_uri(), self._path.read_bytes())
        try:
            parsed = parse_document(document, self._source_id, datetime.now(UTC))
        except NotThisFormatError as error:
            raise SourceError(f"{self._path}: {error}.") from error
        if parsed.children and not parsed.items:
            raise SourceError(f"{self._path} is a list of other documents: `dragoman feeds import {self._path}`.")
        for item in parsed.items:
            yield within_limit(with_text(item), self._options.max_article_bytes)


def with_text(item: Entry | Problem) -> Entry | Problem:
    """An entry with something to read: a title alone is title and text; a problem where there is neither."""
    if isinstance(item, Problem) or item.content.strip():
        return item
    if item.title:
        return replace(item, content=item.title)
    reason = "has neither title nor text; its page has, perhaps (`full_text: true` in the feeds file)"
    return Problem(item.source_id, item.guid, ProblemKind.EMPTY, reason)

"""A feed, sitemap or page in a file. It is read as a whole, like a fetched document."""

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
    """The entries of one document file."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._source_id = options.source_id or path.stem
        self._options = options

    @staticmethod
    def accepts(path: Path) -> bool:
        """Whether the file name ends like an XML file or a feed."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    @property
    def total(self) -> None:
        """Not known before the file is read."""
        return

    def entries(self) -> Iterator[Entry | Problem]:
        """Each entry or problem. SourceError when the file is not such a document."""
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
    """The entry with a text. When it has only a title, the title is also the text.

    The result is a problem when the entry has neither a title nor a text.
    """
    if isinstance(item, Problem) or item.content.strip():
        return item
    if item.title:
        return replace(item, content=item.title)
    reason = "has neither title nor text; its page may have a text (`full_text: true` in the feeds file)"
    return Problem(item.source_id, item.guid, ProblemKind.EMPTY, reason)

"""WARC archives (ISO 28500) with pages and feeds, as in Common Crawl's news crawl: plain, gzip or zstd."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import zstandard
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from schemas.article import Declared, DeclaredBy
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.document_file import with_text
from services.producer.sources.documents import MAX_VALUE_LENGTH, Document, NotThisFormatError, dates
from services.producer.sources.formats import parse_document

ENDINGS: Final = (".warc", ".warc.gz", ".warc.zst", ".warc.zstd")
ZSTD_ENDINGS: Final = (".zst", ".zstd")
DICTIONARY_FRAME: Final = 0x184D2A5D
"""The skippable frame that contains a dictionary (http://iipc.github.io/warc-specifications/specifications/warc-zstd/)."""
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
READABLE: Final = (
    "text/",
    "application/xhtml",
    "application/xml",
    "application/rss",
    "application/atom",
    "application/json",
)
MAX_DICTIONARY_BYTES: Final = 16 * 1024 * 1024


class WarcSource:
    """Responses with status 200 that are pages or feeds, in order. Only one record is in memory at a time."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._options = options
        name = path.name
        for ending in ENDINGS:
            name = name.removesuffix(ending)
        self._source_id = options.source_id or name

    @staticmethod
    def accepts(path: Path) -> bool:
        """Whether the file name ends like a WARC archive."""
        return path.is_file() and path.name.lower().endswith(ENDINGS)

    @property
    def total(self) -> None:
        """Not known before the archive is read."""
        return

    def entries(self) -> Iterator[Entry | Problem]:
        """Each page, and each entry of each feed. A record that cannot be read is a problem."""
        with open_archive(self._path) as stream:
            records = iter(ArchiveIterator(stream))
            while True:
                try:
                    record = next(records)
                except StopIteration:
                    return
                except (ArchiveLoadFailed, OSError, EOFError, ValueError, zstandard.ZstdError) as error:
                    reason = f"the archive cannot be read further: {error}"
                    yield self._problem(self._path.name, ProblemKind.UNREADABLE, reason)
                    return
                yield from self._read_safely(record)

    def _read_safely(self, record: Any) -> Iterator[Entry | Problem]:
        uri = (record.rec_headers.get_header("WARC-Target-URI") or "").strip("<>")
        try:
            yield from self._read(record, uri)
        except NotThisFormatError as error:
            yield self._problem(uri or "record", ProblemKind.INVALID, str(error))
        except Exception as error:  # noqa: BLE001 - a bad record must not stop the others
            reason = f"cannot be read: {type(error).__name__}: {error}"
            yield self._problem(uri or "record", ProblemKind.UNREADABLE, reason[:500])

    def _read(self, record: Any, uri: str) -> Iterator[Entry | Problem]:
        headers = record.http_headers
        if record.rec_type != "response" or headers is None or headers.get_statuscode() != "200":
            return
        media_type, charset = read_content_type(headers.get_header("Content-Type") or "")
        if not media_type.startswith(READABLE):
            return
        limit = self._options.max_document_bytes
        data = record.content_stream().read(limit + 1)
        if len(data) > limit:
            reason = f"has more than {limit:,} bytes"
            yield self._problem(uri, ProblemKind.TOO_LARGE, reason, kept_at=f"{self._path} ({uri})")
            return
        archived = read_date(record.rec_headers.get_header("WARC-Date"))
        document = Document(uri, data, media_type, charset)
        for item in parse_document(document, self._source_id, archived or datetime.now(UTC)).items:
            yield self._dated(with_text(item), archived)

    def _dated(self, item: Entry | Problem, archived: datetime | None) -> Entry | Problem:
        """The item with the date of the archive as a declared date.

        An entry that is too large becomes a problem. Its bytes stay in the archive.
        """
        if isinstance(item, Problem):
            return replace(item, data=None, kept_at=f"{self._path} ({item.guid})") if item.data else item
        size = len(item.content.encode("utf8", "surrogatepass"))
        if size > self._options.max_article_bytes:
            reason = f"has {size:,} bytes; the limit is {self._options.max_article_bytes:,}"
            return self._problem(item.guid, ProblemKind.TOO_LARGE, reason, kept_at=f"{self._path} ({item.guid})")
        stated = item.declared
        declared = Declared(
            languages=stated.languages,
            dates=(*stated.dates, *dates([("archived", archived)], DeclaredBy.FILE)),
            authors=stated.authors,
            tags=stated.tags,
        )
        return replace(item, declared=declared, observed_at=archived)

    def _problem(self, guid: str, kind: ProblemKind, reason: str, kept_at: str | None = None) -> Problem:
        return Problem(self._source_id, guid[:MAX_VALUE_LENGTH], kind, reason, kept_at=kept_at)


def read_content_type(header: str) -> tuple[str, str | None]:
    """The media type in lower case, and the charset if it is stated."""
    media_type, _, rest = header.partition(";")
    _, named, charset = rest.lower().partition("charset=")
    return media_type.strip().lower(), charset.split(";")[0].strip(" \"'") or None if named else None


def read_date(stated: str | None) -> datetime | None:
    """The date of a record (ISO 8601, UTC)."""
    try:
        read = datetime.fromisoformat((stated or "").strip())
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


@contextmanager
def open_archive(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of an archive. warcio decompresses gzip by members. This function decompresses zstd by frames."""
    with path.open("rb") as file:
        if not path.name.lower().endswith(ZSTD_ENDINGS):
            yield file
            return
        decompressor = zstandard.ZstdDecompressor(dict_data=read_dictionary(file), max_window_size=2**27)
        with decompressor.stream_reader(file, read_across_frames=True, closefd=False) as stream:
            yield stream


def read_dictionary(file: IO[bytes]) -> zstandard.ZstdCompressionDict | None:
    """The dictionary at the beginning of an archive. It may be compressed.

    Without a dictionary the position of the file does not change.
    """
    head = file.read(8)
    magic, size = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
    if magic != DICTIONARY_FRAME or size > MAX_DICTIONARY_BYTES:
        file.seek(0)
        return None
    data = file.read(size)
    if data.startswith(ZSTD_MAGIC):
        try:
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_DICTIONARY_BYTES)
        except zstandard.ZstdError as error:
            raise SourceError(f"{file.name}: its zstd dictionary cannot be read: {error}.") from error
    return zstandard.ZstdCompressionDict(data)

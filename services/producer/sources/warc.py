"""WARC archives (ISO 28500) with pages and feeds, as in Common Crawl's news crawl: plain, gzip or zstd."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import zstandard
from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import ChunkedDataReader

from schemas.article import Declared, DeclaredBy
from services.producer.body import Body, TooLargeError
from services.producer.sources.archive import (
    GZIP_MAGIC,
    STEP_BYTES,
    ZSTD_MAGIC,
    Gap,
    RawRecord,
    RecordReader,
    read_gzip,
    read_stored,
    read_zstd,
)
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.document_file import with_text
from services.producer.sources.documents import (
    HEAD_BYTES,
    MAX_VALUE_LENGTH,
    Document,
    NotThisFormatError,
    dates,
    root_name,
)
from services.producer.sources.formats import parse_document
from services.producer.sources.text import is_binary

ENDINGS: Final = (".warc", ".warc.gz", ".warc.zst", ".warc.zstd")
ZSTD_ENDINGS: Final = (".zst", ".zstd")
DICTIONARY_FRAME: Final = 0x184D2A5D
"""The skippable frame that contains a dictionary (http://iipc.github.io/warc-specifications/specifications/warc-zstd/)."""
READABLE: Final = (
    "text/",
    "application/xhtml",
    "application/xml",
    "application/rss",
    "application/atom",
    "application/json",
)
FRAME_BYTES: Final = 1024 * 1024
"""Bytes of a record besides the document: the headers of the server."""
TARGET: Final = re.compile(rb"^warc-target-uri:[ \t]*([^\r\n]{1,8000})", re.IGNORECASE | re.MULTILINE)
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
        """Each page, and each entry of each feed. A record that cannot be read is a problem, as is a damaged part."""
        number = 0
        with open_archive(self._path) as chunks:
            for found in RecordReader(chunks, self._options.max_document_bytes + FRAME_BYTES).read():
                if isinstance(found, RawRecord):
                    yield from self._read_safely(found)
                    continue
                number += 1
                name = f"{self._path.name}#{number}"
                yield self._problem(name, ProblemKind.UNREADABLE, f"is damaged: {found.reason}")

    def _read_safely(self, raw: RawRecord) -> Iterator[Entry | Problem]:
        uri = target_of(raw.header)
        try:
            yield from self._read(raw, uri)
        except NotThisFormatError as error:
            yield self._problem(uri or "record", ProblemKind.INVALID, str(error))
        except Exception as error:  # noqa: BLE001 - a bad record must not stop the others
            reason = f"cannot be read: {type(error).__name__}: {error}"
            yield self._problem(uri or "record", ProblemKind.UNREADABLE, reason[:500])

    def _read(self, raw: RawRecord, uri: str) -> Iterator[Entry | Problem]:
        if raw.block is None:
            if is_response(raw.header):
                yield self._too_large(uri)
            return
        record = next(iter(ArchiveIterator(io.BytesIO(raw.data))))
        headers = record.http_headers
        if record.rec_type != "response" or headers is None or headers.get_statuscode() != "200":
            return
        media_type, charset = read_content_type(headers.get_header("Content-Type") or "")
        if media_type and not media_type.startswith(READABLE):
            return
        try:
            data = read_payload(record, self._options.max_document_bytes)
        except TooLargeError:
            yield self._too_large(uri)
            return
        if not media_type and (is_binary(data) or not data.strip()):
            return  # a picture, for example
        archived = read_date(record.rec_headers.get_header("WARC-Date"))
        document = Document(uri, data, media_type or sniff(data), charset)
        for item in parse_document(document, self._source_id, archived or datetime.now(UTC)).items:
            yield self._dated(with_text(item), archived)

    def _too_large(self, uri: str) -> Problem:
        reason = f"has more than {self._options.max_document_bytes:,} bytes"
        return self._problem(uri, ProblemKind.TOO_LARGE, reason, kept_at=f"{self._path} ({uri})")

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


def target_of(header: bytes) -> str:
    """The address of a record. Empty when it has none."""
    found = TARGET.search(header)
    return found[1].decode("utf8", "replace").strip("<> ") if found else ""


def is_response(header: bytes) -> bool:
    """Whether a record is the answer of a server."""
    return re.search(rb"^warc-type:[ \t]*response", header, re.IGNORECASE | re.MULTILINE) is not None


def read_payload(record: Any, limit: int) -> bytes:
    """The body of a response, without its transfer and content encodings. TooLargeError when it is over the limit."""
    headers = record.http_headers
    raw = record.raw_stream
    if (headers.get_header("Transfer-Encoding") or "").strip().lower() == "chunked":
        raw = ChunkedDataReader(raw)
    body = Body(headers.get_header("Content-Encoding") or "", limit)
    while piece := raw.read(STEP_BYTES):
        body.add(piece)
    return body.finish()


def sniff(data: bytes) -> str:
    """The media type of a body that states none: HTML when it has tags but is no other format."""
    return (
        "text/html" if b"<" in data[:HEAD_BYTES] and root_name(data[:HEAD_BYTES]) not in ("rss", "feed", "rdf") else ""
    )


@contextmanager
def open_archive(path: Path) -> Iterator[Iterator[bytes | Gap]]:
    """The decompressed bytes of an archive, with gaps where it is damaged. The first bytes show how it is packed."""
    with path.open("rb") as file:
        if path.name.lower().endswith(ZSTD_ENDINGS):
            yield read_zstd(file, read_dictionary(file))
            return
        is_packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC or path.name.lower().endswith(".gz")
        file.seek(0)
        yield read_gzip(file) if is_packed else read_stored(file)


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

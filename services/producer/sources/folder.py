"""A folder of text and HTML files, or one such file. The guid of an article is its path inside the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from schemas.article import ContentType
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceOptions
from services.producer.sources.text import UndecodableError, decode_text, is_binary

CONTENT_TYPES = {
    ".txt": ContentType.TEXT,
    ".text": ContentType.TEXT,
    ".md": ContentType.TEXT,
    "": ContentType.TEXT,
    ".html": ContentType.HTML,
    ".htm": ContentType.HTML,
    ".xhtml": ContentType.HTML,
}
UTF8 = ("utf-8", "utf-8-sig", "ascii", "utf8", "us-ascii")


class FolderSource:
    """Files in the order of their paths. Hidden files are not articles."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._root = path if path.is_dir() else path.parent
        self._files = sorted(_walk(path)) if path.is_dir() else [path]
        if options.changed_since is not None:
            self._files = [file for file in self._files if _changed_at(file, self._root) >= options.changed_since]
        self._source_id = options.source_id or self._root.resolve().name or "folder"
        self._max_bytes = options.max_article_bytes

    @staticmethod
    def accepts(path: Path) -> bool:
        """Whether the path is a folder, or a file with a text or HTML name."""
        return path.is_dir() or path.suffix.lower() in CONTENT_TYPES

    @property
    def total(self) -> int:
        """The number of files."""
        return len(self._files)

    def entries(self) -> Iterator[Entry | Problem]:
        """Each file as an entry or a problem."""
        for file in self._files:
            guid = os.fsencode(file.relative_to(self._root)).decode("utf8", "replace")
            try:
                yield self._read(file, guid)
            except FileNotFoundError:
                yield self._problem(guid, ProblemKind.VANISHED, "vanished while the folder was read")
            except OSError as error:
                yield self._problem(guid, ProblemKind.UNREADABLE, f"cannot be read: {error.strerror}")

    def _read(self, file: Path, guid: str) -> Entry | Problem:  # noqa: PLR0911 - one return for each problem
        if not file.resolve(strict=True).is_relative_to(self._root.resolve()):
            return self._problem(guid, ProblemKind.OUTSIDE, "is a link out of the folder")
        content_type = CONTENT_TYPES.get(file.suffix.lower())
        if file.stat().st_size > self._max_bytes:
            reason = f"has {file.stat().st_size:,} bytes; the limit is {self._max_bytes:,}"
            return self._problem(guid, ProblemKind.TOO_LARGE, reason, path=file)
        data = file.read_bytes()
        if not data.strip():
            return self._problem(guid, ProblemKind.EMPTY, "is empty")
        if content_type is None or is_binary(data):
            return self._problem(guid, ProblemKind.BINARY, "is neither text nor HTML")
        try:
            text, encoding = decode_text(data)
        except UndecodableError as error:
            return self._problem(guid, ProblemKind.UNDECODABLE, f"cannot be decoded: {error}", data=data)
        if not text.strip():
            return self._problem(guid, ProblemKind.EMPTY, "is empty")
        size = len(text.encode("utf8", "surrogatepass"))
        if size > self._max_bytes:
            reason = f"has {size:,} bytes as UTF-8; the limit is {self._max_bytes:,}"
            return self._problem(guid, ProblemKind.TOO_LARGE, reason, data=data)
        note = None if encoding in UTF8 else f"decoded as {encoding}"
        return Entry(self._source_id, guid, text, content_type, note=note)

    def _problem(
        self, guid: str, kind: ProblemKind, reason: str, *, path: Path | None = None, data: bytes | None = None
    ) -> Problem:
        return Problem(self._source_id, guid, kind, reason, path, data)


def _walk(root: Path) -> Iterator[Path]:
    """Every file below `root`. Links to folders are not followed, and hidden names are left out."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in files:
            if not name.startswith("."):
                yield Path(folder) / name


def _changed_at(file: Path, root: Path) -> float:
    """When a file arrived or changed, in Unix seconds: the newest inode time of the file and its folders below `root`.

    A copy with the old date sets the inode time too. When a folder is moved in, its files keep their times, but the
    folder itself gets a new time.
    """
    folders = [folder for folder in file.parents if folder.is_relative_to(root) and folder != root]
    try:
        return max(place.stat().st_ctime for place in (file, *folders))
    except OSError:
        return float("inf")

"""A CSV file with a header. Each row is an article. Columns are named like the fields, or by a column map."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.documents import scrub
from services.producer.sources.rows import read_row, to_entry
from services.producer.sources.text import UndecodableError, other_encoding_of

SUFFIXES = {".csv": ",", ".tsv": "\t"}
SNIFF_CHARACTERS = 64 * 1024
WIDE = ("utf-16", "utf-32")
FIELD_LIMIT = 16 * 1024 * 1024
"""Maximum number of characters in one field. A row with a longer field is refused."""


class Lines:
    """The lines of a file. `taken` are those since the last `mark`, and they can be put back."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._waiting: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._file)
        self.number += 1
        self.taken.append(line)
        return line

    def mark(self) -> None:
        """A row begins."""
        self.taken = []

    def put_back(self) -> str:
        """Put back all taken lines but the first one. Returns that one."""
        first, *rest = self.taken
        self._waiting.extendleft(reversed(rest))
        self.number -= len(rest)
        self.mark()
        return first


class CsvSource:
    """The rows in order. Memory does not grow with the file. Rows that are not UTF-8 have a detected encoding."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._options = options
        self._default_source_id = options.source_id or path.stem
        self._other: str | None = None
        """The encoding of rows that are not UTF-8."""

    @staticmethod
    def accepts(path: Path) -> bool:
        """Whether the file name ends like a CSV or TSV file."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    @property
    def total(self) -> None:
        """Not known, because a quoted field may contain line ends."""
        return

    def entries(self) -> Iterator[Entry | Problem]:
        """Each row as an entry or a problem. SourceError when required columns are missing."""
        csv.field_size_limit(FIELD_LIMIT)
        try:
            self._other = other_encoding_of(self._path)
        except UndecodableError:
            self._other = None
        is_wide = (self._other or "").startswith(WIDE)
        encoding = self._other if is_wide else "utf-8-sig"
        with self._path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            delimiter = self._delimiter(file)
            lines = Lines(file)
            names = self._read_header(lines, delimiter)
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            while True:
                lines.mark()
                start = lines.number + 1
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    # A quote that is never closed swallows the rows behind it: they are read again without it.
                    reason = str(error)
                    row = next(csv.reader([lines.put_back()], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])
                    rows = csv.reader(lines, delimiter=delimiter, strict=True)
                    yield self._read_broken(names, row, start, reason)
                    continue
                if row:
                    yield self._read(names, row, lines.number)

    def _read_header(self, lines: Lines, delimiter: str) -> list[str]:
        try:
            names = next(csv.reader(lines, delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise SourceError(f"{self._path}: its header cannot be read: {error}.") from error
        self._check_header(names)
        return names

    def _read_broken(self, names: list[str], row: list[str], line: int, reason: str) -> Entry | Problem:
        """A row with a broken quote, read as far as its own line goes. A row with too few fields is a problem."""
        if len(row) != len(names):
            return self._problem(line, reason)
        return self._read(names, [value.strip().strip('"') for value in row], line, f"a quote is not closed: {reason}")

    def _delimiter(self, file: IO[str]) -> str:
        """Tab for TSV. For CSV the header decides, because spreadsheets also write semicolons."""
        if SUFFIXES.get(self._path.suffix.lower()) == "\t":
            return "\t"
        header = file.readline(SNIFF_CHARACTERS)
        file.seek(0)
        return max(",;\t", key=header.count)

    def _check_header(self, names: object) -> None:
        columns = self._options.columns
        present = {str(name) for name in names} if isinstance(names, list | tuple) else set()
        listed = scrub(", ".join(sorted(present))) or "none"
        missing = [name for name in (columns.guid, columns.content) if name not in present]
        if missing:
            raise SourceError(
                f"{self._path} has no column {' and '.join(missing)}; it has {listed}. "
                "Name its columns with --columns guid=…,content=… (or `columns:` in the feeds file)."
            )

    def _read(self, names: list[str], row: list[str], line: int, note: str | None = None) -> Entry | Problem:
        text = dict(zip(names, row, strict=False))
        if any("\udc80" <= character <= "\udcff" for value in text.values() for character in value):
            if self._other is None:
                return self._problem(line, "cannot be decoded")
            text = {
                name: value.encode("utf8", "surrogateescape").decode(self._other, "replace")
                for name, value in text.items()
            }
            note = f"decoded as {self._other}" + (f"; {note}" if note else "")
        read = read_row(text, self._options.columns)
        if isinstance(read, str):
            return self._problem(line, read)
        options = self._options
        data = read.row.content.encode("utf8", "surrogatepass")
        return to_entry(
            read, f"line {line}", options.source_id, self._default_source_id, options.max_article_bytes, data, note
        )

    def _problem(self, line: int, reason: str) -> Problem:
        name = f"{self._path.name}:{line}"
        return Problem(self._default_source_id, name, ProblemKind.INVALID, f"line {line}: {reason}")

"""A CSV file with a header. Each row is an article. Columns are named like the fields, or by a column map."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.rows import read_row, to_entry

SUFFIXES = {".csv": ",", ".tsv": "\t"}
SNIFF_CHARACTERS = 64 * 1024
FIELD_LIMIT = 64 * 1024 * 1024
"""Maximum number of characters in one field. A row with a longer field is refused."""


class CsvSource:
    """The rows in order. Memory does not grow with the file. The encoding is UTF-8, with or without a BOM."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._options = options
        self._default_source_id = options.source_id or path.stem

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
        with self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, delimiter=self._delimiter(file), strict=True)
            try:
                self._check_header(reader.fieldnames or ())
            except csv.Error as error:
                raise SourceError(f"{self._path}: its header cannot be read: {error}.") from error
            rows = iter(reader)
            while True:
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield self._problem(reader.line_num, str(error))
                    continue
                yield self._read(row, reader.line_num)

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
        missing = [name for name in (columns.guid, columns.content) if name not in present]
        if missing:
            raise SourceError(
                f"{self._path} has no column {' and '.join(missing)}; it has {', '.join(sorted(present)) or 'none'}. "
                "Name its columns with --columns guid=…,content=… (or `columns:` in the feeds file)."
            )

    def _read(self, row: dict[str, str | None], line: int) -> Entry | Problem:
        text = {name: value for name, value in row.items() if isinstance(name, str) and isinstance(value, str)}
        if any("\udc80" <= character <= "\udcff" for value in text.values() for character in value):
            return self._problem(line, "is not UTF-8")
        read = read_row(text, self._options.columns)
        if isinstance(read, str):
            return self._problem(line, read)
        options = self._options
        data = read.content.encode("utf8", "surrogatepass")
        return to_entry(
            read, f"line {line}", options.source_id, self._default_source_id, options.max_article_bytes, data
        )

    def _problem(self, line: int, reason: str) -> Problem:
        name = f"{self._path.name}:{line}"
        return Problem(self._default_source_id, name, ProblemKind.INVALID, f"line {line}: {reason}")

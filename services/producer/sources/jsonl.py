"""A file of JSON lines. Each line is an object for one article, with at least `guid` and `content`.

A column map can give these fields other names.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

import orjson

from schemas.feed import Columns
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceOptions
from services.producer.sources.json_text import repair_escapes
from services.producer.sources.rows import ReadRow, read_row, to_entry
from services.producer.sources.text import UndecodableError, decode_text

SUFFIXES = frozenset({".jsonl", ".ndjson", ".jsonlines"})


class JsonlSource:
    """The lines in order. Memory does not grow with the file."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._source_id = options.source_id
        self._default_source_id = options.source_id or path.stem
        self._max_bytes = options.max_article_bytes
        self._columns = options.columns

    @staticmethod
    def accepts(path: Path) -> bool:
        """Whether the file name ends like a file of JSON lines."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    @property
    def total(self) -> int:
        """The number of lines that are not blank."""
        with self._path.open("rb") as file:
            return sum(1 for line in file if line.strip())

    def entries(self) -> Iterator[Entry | Problem]:
        """Each line as an entry or a problem."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield self.read_line(line, number)

    def read_line(self, line: bytes, number: int) -> Entry | Problem:
        """One line as an entry. A line that cannot be read becomes a problem that is named by its line number."""
        read = read_json_row(line, self._columns)
        if isinstance(read, str):
            name = f"{self._path.name}:{number}"
            return Problem(self._default_source_id, name, ProblemKind.INVALID, f"line {number}: {read}")
        return to_entry(read, f"line {number}", self._source_id, self._default_source_id, self._max_bytes, line)


def read_json_row(line: bytes, columns: Columns, default_guid: str | None = None) -> ReadRow | str:
    """One JSON object as a row, or a message that says what is wrong. `default_guid` replaces a missing guid."""
    try:
        read = orjson.loads(line.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        read = read_leniently(line)
        if read is None:
            return f"not JSON: {error}"
    if not isinstance(read, dict):
        return "is not an object"
    if default_guid is not None and "." not in columns.guid:
        read.setdefault(columns.guid, default_guid)
    return read_row(read, columns)


def read_leniently(line: bytes) -> object:
    """The JSON of a line that is not UTF-8, or has raw control characters or bad escapes. None for anything else."""
    try:
        return json.loads(repair_escapes(decode_text(line)[0]), strict=False)
    except (ValueError, RecursionError, UndecodableError):
        return None

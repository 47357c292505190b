"""A file of JSON lines. Each line is an object for one article, with at least `guid` and `content`.

A column map can give these fields other names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
from pydantic import ValidationError

from schemas.feed import Columns
from services.common.messages import describe
from services.producer.sources.base import SAME_NAMES, Entry, Problem, ProblemKind, SourceOptions
from services.producer.sources.rows import SourceRow, read_row, to_entry

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


def read_json_row(line: bytes, columns: Columns, default_guid: str | None = None) -> SourceRow | str:
    """One JSON object as a row, or a message that says what is wrong. `default_guid` replaces a missing guid."""
    if columns == SAME_NAMES and default_guid is None:
        try:
            return SourceRow.model_validate_json(line)
        except ValidationError as error:
            return describe(error)
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"not JSON: {error}"
    if not isinstance(read, dict):
        return "is not an object"
    if default_guid is not None and "." not in columns.guid:
        read.setdefault(columns.guid, default_guid)
    return read_row(read, columns)

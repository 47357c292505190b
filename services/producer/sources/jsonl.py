"""A file of JSON lines: an object an article, with at least `guid` and `content`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from schemas.article import ContentType, LanguageCode
from schemas.base import ShortText, Url
from services.common.messages import describe
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceOptions

SUFFIXES = frozenset({".jsonl", ".ndjson", ".jsonlines"})
CHUNK_BYTES = 1024 * 1024


class JsonlLine(BaseModel):
    """What a line may hold; what is not named here is left alone."""

    model_config = ConfigDict(extra="ignore")

    guid: ShortText
    content: str = Field(min_length=1)
    source_id: ShortText | None = None
    url: Url | None = None
    content_type: ContentType = ContentType.TEXT
    title: str | None = Field(default=None, max_length=10_000)
    published_at: AwareDatetime | None = None
    declared_language: LanguageCode | None = None


class JsonlSource:
    """The lines in their order; memory does not grow with the file."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._source_id = options.source_id
        self._default_source_id = options.source_id or path.stem
        self._max_bytes = options.max_article_bytes

    @staticmethod
    def accepts(path: Path) -> bool:
        """Files whose names say JSON lines."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    @property
    def total(self) -> int:
        """The number of lines that are not blank."""
        with self._path.open("rb") as file:
            return sum(1 for line in file if line.strip())

    def entries(self) -> Iterator[Entry | Problem]:
        """Each line as an entry, or what is wrong with it."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield self.read_line(line, number)

    def read_line(self, line: bytes, number: int) -> Entry | Problem:
        """One line as an entry; its number names it where it has no guid."""
        name = f"{self._path.name}:{number}"
        try:
            read = JsonlLine.model_validate_json(line)
        except ValidationError as error:
            return Problem(self._default_source_id, name, ProblemKind.INVALID, f"line {number}: {describe(error)}")
        source_id = self._source_id or read.source_id or self._default_source_id
        if not read.content.strip():
            return Problem(source_id, read.guid, ProblemKind.EMPTY, f"line {number}: content is blank")
        size = len(read.content.encode("utf8", "surrogatepass"))
        if size > self._max_bytes:
            reason = f"line {number}: content has {size:,} bytes; the limit is {self._max_bytes:,}"
            return Problem(source_id, read.guid, ProblemKind.TOO_LARGE, reason, data=line)
        return Entry(
            source_id,
            read.guid,
            read.content,
            read.content_type,
            read.url,
            read.title,
            read.published_at,
            read.declared_language,
        )

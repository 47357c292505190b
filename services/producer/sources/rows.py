"""Makes entries from named values. JSON lines, CSV rows and messages of other topics use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from schemas.article import ContentType, Declared, DeclaredBy, LanguageCode
from schemas.base import ShortText, Url
from schemas.feed import Columns
from services.common.messages import describe
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.sources.documents import values


class SourceRow(BaseModel):
    """The fields of a row. Other fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    guid: ShortText
    content: str = Field(min_length=1)
    source_id: ShortText | None = None
    url: Url | None = None
    content_type: ContentType = ContentType.TEXT
    title: str | None = Field(default=None, max_length=10_000)
    published_at: AwareDatetime | None = None
    declared_language: LanguageCode | None = None
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def pick(values_by_name: Mapping[str, object], columns: Columns) -> dict[str, object]:
    """The values under our field names. `a.b` looks inside objects. Empty and missing values are left out."""
    picked: dict[str, object] = {}
    for name, column in columns:
        value: object = values_by_name.get(column)
        if value is None and "." in column:
            value = values_by_name
            for part in column.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and value != "":
            picked[name] = str(value) if isinstance(value, int | float) and name in ("guid", "title") else value
    for name in ("authors", "tags"):
        if isinstance(picked.get(name), str):
            picked[name] = [part.strip() for part in str(picked[name]).split(";") if part.strip()]
    stated = picked.get("published_at")
    if isinstance(stated, str):
        picked["published_at"] = _with_zone(stated)
    return picked


def _with_zone(stated: str) -> object:
    """A date without a zone as UTC, as archives mean it. Anything else is unchanged, and the model validates it."""
    try:
        read = datetime.fromisoformat(stated.strip())
    except ValueError:
        return stated
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def to_entry(
    row: SourceRow, where: str, source_id: str | None, default_source_id: str, max_bytes: int, data: bytes | None
) -> Entry | Problem:
    """A row as an entry. The reason of a problem begins with `where`. `data` is kept when the row is too large."""
    source = source_id or row.source_id or default_source_id
    if not row.content.strip():
        return Problem(source, row.guid, ProblemKind.EMPTY, f"{where}: content is blank")
    size = len(row.content.encode("utf8", "surrogatepass"))
    if size > max_bytes:
        reason = f"{where}: content has {size:,} bytes; the limit is {max_bytes:,}"
        return Problem(source, row.guid, ProblemKind.TOO_LARGE, reason, data=data)
    return Entry(
        source,
        row.guid,
        row.content,
        row.content_type,
        row.url,
        row.title,
        row.published_at,
        row.declared_language,
        declared=declared(row.authors, row.tags, DeclaredBy.FILE),
    )


def declared(authors: Iterable[str], tags: Iterable[str], by: DeclaredBy) -> Declared:
    """Authors and tags as declared values."""
    return Declared(authors=values(authors, by), tags=values(tags, by))


def read_row(values_by_name: Mapping[str, object], columns: Columns) -> SourceRow | str:
    """A row, or a message that says what is wrong with it."""
    try:
        return SourceRow.model_validate(pick(values_by_name, columns))
    except ValidationError as error:
        return describe(error)

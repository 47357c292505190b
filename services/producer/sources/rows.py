"""Makes entries from named values. JSON lines, CSV rows and messages of other topics use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from schemas.article import ContentType, Declared, DeclaredBy, LanguageCode
from schemas.base import ShortText, Url
from schemas.feed import Columns
from services.common.messages import describe
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.sources.documents import (
    MAX_TITLE_LENGTH,
    language_tag,
    one_line,
    stated_date,
    values,
    web_address,
)


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


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row, and what of it was not understood. Only `guid` and `content` are needed, everything else is a hint."""

    row: SourceRow
    notes: tuple[str, ...] = ()


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
    return picked


def repair(picked: Mapping[str, object]) -> tuple[dict[str, object], tuple[str, ...]]:
    """The values with hints in the forms that records have. A hint that is not understood is left out, with a note."""
    repaired, notes = dict(picked), []
    for name, read in HINTS.items():
        if name not in repaired:
            continue
        value = read(repaired[name])
        if value is None:
            notes.append(f"{name} is not understood and was left out")
            del repaired[name]
        else:
            repaired[name] = value
    return repaired, tuple(notes)


def read_language(value: object) -> str | None:
    """A language tag, also in the form `en_GB`. None for anything else."""
    return language_tag(value) if isinstance(value, str) else None


def read_url(value: object) -> str | None:
    """A web address. A missing scheme is added: `www.example.org/a`, `//example.org/a`."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if SCHEMELESS.match(text):
        text = f"https://{text.removeprefix('//')}"
    return web_address("", text)


def read_title(value: object) -> str | None:
    """A title on one line, cut at the limit."""
    return one_line(value, MAX_TITLE_LENGTH) if isinstance(value, str) else None


def read_names(value: object) -> list[str] | None:
    """A list of names. Values that are no text are left out."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else None


def read_content_type(value: object) -> ContentType | None:
    """The media type of a text or of HTML, without its parameters."""
    try:
        return ContentType(str(value).partition(";")[0].strip().lower())
    except ValueError:
        return None


SCHEMELESS = re.compile(r"(?://)?(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,}(?::\d+)?(?:[/?#]|$)")
HINTS: dict[str, Callable[[object], object]] = {
    "source_id": lambda value: one_line(str(value)),
    "url": read_url,
    "content_type": read_content_type,
    "title": read_title,
    "published_at": stated_date,
    "declared_language": read_language,
    "authors": read_names,
    "tags": read_names,
}
"""How each hint is read. None means that it is not understood."""


def to_entry(
    read: ReadRow,
    where: str,
    source_id: str | None,
    default_source_id: str,
    max_bytes: int,
    data: bytes | None,
    note: str | None = None,
) -> Entry | Problem:
    """A row as an entry. The reason of a problem begins with `where`. `data` is kept when the row is too large."""
    row = read.row
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
        note="; ".join((*([note] if note else ()), *read.notes)) or None,
        declared=declared(row.authors, row.tags, DeclaredBy.FILE),
    )


def declared(authors: Iterable[str], tags: Iterable[str], by: DeclaredBy) -> Declared:
    """Authors and tags as declared values."""
    return Declared(authors=values(authors, by), tags=values(tags, by))


def read_row(values_by_name: Mapping[str, object], columns: Columns) -> ReadRow | str:
    """A row, or a message that says what is wrong with it."""
    picked, notes = repair(pick(values_by_name, columns))
    try:
        return ReadRow(SourceRow.model_validate(picked), notes)
    except ValidationError as error:
        return describe(error)

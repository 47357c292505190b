"""The base class of all records, which are strict, closed and immutable."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints


def to_utc(value: datetime) -> datetime:
    """The same time in UTC."""
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the date is outside the years 1 to 9999") from error


Timestamp = Annotated[AwareDatetime, AfterValidator(to_utc)]
"""A time with a time zone, converted to UTC."""

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""A keyword. It is far below the 32,766 bytes that Lucene allows for a term."""

Url = Annotated[str, StringConstraints(min_length=1, max_length=8000)]

ArticleId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
]
"""A UUIDv5 in its canonical form. It is the key in every article topic and the `_id` of the document."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """A message or a part of one.

    Unknown fields are refused, so that a typo becomes a dead letter and not a silent loss. Therefore consumers must be
    upgraded before producers (docs/adr/0003).
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, ser_json_bytes="base64", val_json_bytes="base64"
    )

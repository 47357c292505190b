"""Converts records to bytes and back, and defines the error for a message that can never succeed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from schemas.dead_letter import ErrorClass
from services.common.upgrade import upgraded

R = TypeVar("R", bound=BaseModel)

REVISION_HEADER = "dragoman-revision"
ATTEMPTS_HEADER = "dragoman-attempts"
MAX_ERROR_LENGTH = 1000
MAX_DIGITS = 18
"""Digits of the largest number in a header. It fits into 64 bits."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send. A tombstone has no value: it removes what its key names."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class RejectedMessage(Exception):
    """This message can never succeed. Do not retry it. Send it to the dead letters."""

    def __init__(self, stage: str, error_class: ErrorClass, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.error_class = error_class
        self.reason = reason[:MAX_ERROR_LENGTH]


def encode(record: BaseModel) -> bytes:
    """A record as UTF-8 JSON for Kafka: the version of the schema, and every field that has not its default value."""
    fields = record.model_dump_json(exclude_defaults=True)
    version = getattr(record, "schema_version", None)
    return (fields if version is None else f'{{"schema_version":{version},{fields[1:]}').encode()


def encode_whole(record: BaseModel) -> bytes:
    """A record as UTF-8 JSON with every field, for people and their programs."""
    return record.model_dump_json().encode()


def decode(record: type[R], value: bytes | None, stage: str = "decode") -> R:
    """A record from UTF-8 JSON, also one of an older version. RejectedMessage: the bytes are not such a record."""
    if value is None:
        raise RejectedMessage(stage, ErrorClass.INVALID_MESSAGE, "the message has no value")
    try:
        return record.model_validate_json(value)
    except ValidationError as error:
        newer = upgraded(record, value)
        if newer is not None:
            return decode(record, newer, stage)
        raise RejectedMessage(stage, ErrorClass.INVALID_MESSAGE, describe(error)) from error


def describe(error: ValidationError) -> str:
    """Describe what is wrong, field by field, without the text of the article."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'message'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)[:5]
    )


def header_int(headers: dict[str, bytes], name: str) -> int | None:
    """A positive integer from a header. None if the header is missing or holds anything else."""
    text = headers.get(name, b"").decode("ascii", "replace")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) > 0 else None

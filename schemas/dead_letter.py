"""A dead letter: the complete message that failed, and the reason."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from schemas.base import Record, Sha256, ShortText, Timestamp


class ErrorClass(StrEnum):
    """Why a message can never succeed unchanged."""

    INVALID_MESSAGE = "invalid_message"
    NO_TEXT = "no_text"
    STAGE_FAILED = "stage_failed"
    REJECTED_DOCUMENT = "rejected_document"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"


class DeadLetter(Record):
    """A failed message. Its key is `topic/partition/offset` of the message, so a redelivery makes the same letter."""

    schema_version: Literal[1] = 1
    letter_id: ShortText
    source_topic: ShortText
    source_partition: NonNegativeInt
    source_offset: NonNegativeInt
    source_timestamp: Timestamp | None = None
    original_key: bytes | None
    original_value: bytes | None = Field(description="base64; null if the message had no value or is in quarantine")
    original_bytes: NonNegativeInt | None = Field(
        default=None, description="size of a message that does not fit into a letter; original_value is its beginning"
    )
    original_sha256: Sha256 | None = Field(default=None, description="hash of such a message")
    original_headers: tuple[tuple[str, bytes], ...] = ()
    quarantine_path: str | None = Field(default=None, description="where a file that is too large for Kafka was kept")
    revision: PositiveInt | None = Field(default=None, description="revision of the article, if the message states it")
    service: ShortText
    stage: ShortText
    error_class: ErrorClass
    error: str = Field(max_length=2000)
    attempts: PositiveInt = 1
    code_version: str
    first_failed_at: Timestamp
    last_failed_at: Timestamp

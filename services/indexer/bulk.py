"""Interprets the answers of Elasticsearch. Only pure functions, and the only place with this knowledge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

HTTP_OK_BELOW = 300
NOT_FOUND, CONFLICT, TOO_LARGE, SERVER_ERROR = 404, 409, 413, 500
PASSING = frozenset({408, 409, 425, 429})
DOCUMENT_TYPES = frozenset(
    {
        "document_parsing_exception",
        "mapper_parsing_exception",
        "strict_dynamic_mapping_exception",
        "parsing_exception",
        "x_content_parse_exception",
        "json_parse_exception",
        "number_format_exception",
        "max_bytes_length_exceeded_exception",
        "input_coercion_exception",
    }
)
"""Errors that are the document's own fault. Every other error is one of the cluster and is waited out."""
PASSING_TYPES = frozenset(
    {
        "es_rejected_execution_exception",
        "circuit_breaking_exception",
        "unavailable_shards_exception",
        "cluster_block_exception",
        "process_cluster_event_timeout_exception",
        "no_shard_available_action_exception",
        "node_not_connected_exception",
    }
)
"""Errors that pass without a person."""
DOCUMENT_REASONS = ("immense term", "max bytes", "byte limit", "exceeds the limit", "exceeds max")
"""Parts of the reasons of `illegal_argument_exception` that are the document's own fault."""


class Verdict(StrEnum):
    """The result for one document, or for a whole request."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    RETRY = "retry"
    DEAD = "dead"
    TOO_LARGE = "too_large"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Action:
    """One document to write, or to delete (`document` is None), with an external version.

    A repeated or older version changes nothing.
    """

    index: str
    id: str
    version: int
    document: bytes | None

    @property
    def size(self) -> int:
        """Bytes of the document."""
        return len(self.document or b"")

    def lines(self) -> bytes:
        """The action as the lines of a bulk request: two for a write, one for a delete."""
        place = {"_index": self.index, "_id": self.id, "version": self.version, "version_type": "external"}
        if self.document is None:
            return orjson.dumps({"delete": place}) + b"\n"
        return b"%b\n%b\n" % (orjson.dumps({"index": place}), self.document)


def make_action(index: str, identifier: str, version: int, document: Mapping[str, Any]) -> Action:
    """Make an action from a document."""
    return Action(index, identifier, version, orjson.dumps(document))


def classify(status: int, error_type: str, reason: str = "") -> Verdict:
    """The verdict on one item, or on a request that failed completely.

    Only what is known to be the document's own fault is final. Anything else waits: a closed index, a limit of shards,
    a missing write index, a proxy that refuses.
    """
    if status < HTTP_OK_BELOW:
        return Verdict.INDEXED
    if status == CONFLICT and error_type == "version_conflict_engine_exception":
        return Verdict.UNCHANGED
    if status == TOO_LARGE:
        return Verdict.TOO_LARGE
    if is_document_fault(error_type, reason):
        return Verdict.DEAD
    if is_passing(status) or error_type in PASSING_TYPES:
        return Verdict.RETRY
    return Verdict.STOP


def is_passing(status: int) -> bool:
    """Whether a request that was answered with this status can succeed later, without a person."""
    return status in PASSING or status >= SERVER_ERROR


def is_document_fault(error_type: str, reason: str) -> bool:
    """Whether an error says that the document itself can never be indexed."""
    if error_type == "illegal_argument_exception":
        lowered = reason.lower()
        return any(part in lowered for part in DOCUMENT_REASONS)
    return error_type in DOCUMENT_TYPES


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """The verdict on one document, and Elasticsearch's reason if it was not written."""

    verdict: Verdict
    reason: str


class NoAnswerError(Exception):
    """The answer is not one of Elasticsearch to a bulk request, for example the page of a proxy."""


def read_answer(answer: object, expected: int | None = None) -> list[ItemAnswer]:
    """The verdicts on the documents, in the order of the request. NoAnswerError when it is no such answer."""
    try:
        answers = _read_items(answer)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise NoAnswerError(f"no answer to a bulk request: {str(answer)[:200]!r}") from error
    if expected is not None and len(answers) != expected:
        raise NoAnswerError(f"the answer has {len(answers)} items for {expected} documents")
    return answers


def _read_items(answer: Any) -> list[ItemAnswer]:
    answers = []
    for item in answer["items"]:
        operation, result = next(iter(item.items()))
        error = result.get("error") or {}
        if operation == "delete" and result["status"] == NOT_FOUND and not error:
            answers.append(ItemAnswer(Verdict.UNCHANGED, "there was no such document"))
            continue
        cause = (error.get("caused_by") or {}).get("reason")
        reason = f"{error.get('type', '')}: {error.get('reason', '')}" + (f" ({cause})" if cause else "")
        answers.append(ItemAnswer(classify(result["status"], error.get("type", ""), reason), reason))
    return answers


def batches(actions: Sequence[Action], max_documents: int, max_bytes: int) -> Iterator[list[Action]]:
    """Split actions into requests with limits on documents and bytes. A document above `max_bytes` goes alone."""
    batch: list[Action] = []
    size = 0
    for action in actions:
        if batch and (len(batch) >= max_documents or size + action.size > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(action)
        size += action.size
    if batch:
        yield batch

"""Interprets the answers of Elasticsearch. Only pure functions, and the only place with this knowledge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

HTTP_OK_BELOW = 300
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_LARGE, TOO_MANY, SERVER_ERROR = 401, 403, 404, 409, 413, 429, 500
RETRIED_TYPES = frozenset(
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


def classify(status: int, error_type: str) -> Verdict:
    """The verdict on one item, or on a request that failed completely."""
    if error_type in RETRIED_TYPES or status == TOO_MANY or status >= SERVER_ERROR:
        return Verdict.RETRY
    if status < HTTP_OK_BELOW:
        return Verdict.INDEXED
    if status == CONFLICT:
        return Verdict.UNCHANGED
    if status == TOO_LARGE:
        return Verdict.TOO_LARGE
    if status in (UNAUTHORIZED, FORBIDDEN, NOT_FOUND):
        return Verdict.STOP
    return Verdict.DEAD


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """The verdict on one document, and Elasticsearch's reason if it was not written."""

    verdict: Verdict
    reason: str


def read_answer(answer: Mapping[str, Any]) -> list[ItemAnswer]:
    """The verdicts on the documents, in the order of the request."""
    answers = []
    for item in answer["items"]:
        operation, result = next(iter(item.items()))
        error = result.get("error") or {}
        if operation == "delete" and result["status"] == NOT_FOUND and not error:
            answers.append(ItemAnswer(Verdict.UNCHANGED, "there was no such document"))
            continue
        cause = (error.get("caused_by") or {}).get("reason")
        reason = f"{error.get('type', '')}: {error.get('reason', '')}" + (f" ({cause})" if cause else "")
        answers.append(ItemAnswer(classify(result["status"], error.get("type", "")), reason))
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

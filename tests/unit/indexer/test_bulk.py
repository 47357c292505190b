"""What each answer of Elasticsearch means, and that every document gets one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elastic_transport import ConnectionError as RefusedError
from elasticsearch import ApiError

from services.common.metrics import HALTED
from services.indexer.bulk import Action, NoAnswerError, Verdict, batches, classify, make_action, read_answer
from services.indexer.writer import BulkWriter

CASES = [
    (201, "", Verdict.INDEXED),
    (200, "", Verdict.INDEXED),
    (409, "version_conflict_engine_exception", Verdict.UNCHANGED),
    (429, "es_rejected_execution_exception", Verdict.RETRY),
    (429, "circuit_breaking_exception", Verdict.RETRY),
    (403, "cluster_block_exception", Verdict.RETRY),
    (429, "cluster_block_exception", Verdict.RETRY),
    (503, "unavailable_shards_exception", Verdict.RETRY),
    (500, "anything", Verdict.RETRY),
    (502, "", Verdict.RETRY),
    (400, "document_parsing_exception", Verdict.DEAD),
    (400, "strict_dynamic_mapping_exception", Verdict.DEAD),
    (413, "", Verdict.TOO_LARGE),
    (401, "security_exception", Verdict.STOP),
    (403, "security_exception", Verdict.STOP),
    (404, "index_not_found_exception", Verdict.STOP),
    (400, "index_closed_exception", Verdict.STOP),
    (400, "illegal_argument_exception", Verdict.STOP),
    (400, "validation_exception", Verdict.STOP),
    (400, "an_error_of_a_later_version", Verdict.STOP),
    (408, "", Verdict.RETRY),
]
REASONS = [
    ('Document contains at least one immense term in field="guid"', Verdict.DEAD),
    (
        "this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum shards open",
        Verdict.STOP,
    ),
    ("no write index is defined for alias [articles-write]", Verdict.STOP),
]


@pytest.mark.parametrize(("reason", "verdict"), REASONS)
def test_an_illegal_argument_is_the_documents_fault_only_if_it_says_so(reason: str, verdict: Verdict) -> None:
    assert classify(400, "illegal_argument_exception", reason) is verdict


@pytest.mark.parametrize("body", [b"", "<html>wait</html>", {}, {"items": None}, {"items": [{}]}, [], None])
def test_what_is_no_answer_of_elasticsearch_is_waited_out(body: object) -> None:
    with pytest.raises(NoAnswerError):
        read_answer(body, 1)


def test_an_answer_that_is_short_of_items_is_none() -> None:
    with pytest.raises(NoAnswerError, match="1 items for 2 documents"):
        read_answer({"items": [{"index": {"status": 201}}]}, 2)


@pytest.mark.parametrize(("status", "error", "verdict"), CASES, ids=[f"{row[0]} {row[1]}" for row in CASES])
def test_verdicts(status: int, error: str, verdict: Verdict) -> None:
    assert classify(status, error) is verdict


def test_items_are_read_in_their_order_with_the_cause() -> None:
    error = {"type": "document_parsing_exception", "reason": "failed", "caused_by": {"reason": "bad date"}}
    answer = {"items": [{"index": {"status": 201}}, {"index": {"status": 400, "error": error}}]}
    first, second = read_answer(answer)
    assert (first.verdict, second.verdict) == (Verdict.INDEXED, Verdict.DEAD)
    assert second.reason == "document_parsing_exception: failed (bad date)"


def action(number: int, size: int = 10) -> Action:
    return make_action("articles", str(number), number, {"text": "x" * size})


def test_batches_hold_everything_once_and_keep_their_limits() -> None:
    actions = [action(number, size=100 if number % 7 else 5000) for number in range(100)]
    made = list(batches(actions, max_documents=10, max_bytes=2000))
    assert [written for batch in made for written in batch] == actions
    assert all(len(batch) <= 10 for batch in made)
    assert all(len(batch) == 1 or sum(len(written.document) for written in batch) <= 2000 for batch in made)


def test_actions_carry_the_external_version() -> None:
    head, document = action(7).lines().decode().splitlines()
    assert json.loads(head) == {"index": {"_index": "articles", "_id": "7", "version": 7, "version_type": "external"}}
    assert json.loads(document) == {"text": "x" * 10}


KINDS = {400: "document_parsing_exception", 409: "version_conflict_engine_exception"}


class FakeClient:
    """Answers a bulk request by a rule: (number of the request, ids) → statuses, or an exception."""

    def __init__(self, rule: Callable[[int, list[str]], list[int]]) -> None:
        self._rule = rule
        self.requests: list[list[str]] = []

    def bulk(self, *, operations: list[bytes], require_alias: bool) -> Any:
        assert require_alias
        lines = operations[0].split(b"\n")
        ids = [json.loads(line)["index"]["_id"] for line in lines[::2]]
        self.requests.append(ids)
        statuses = self._rule(len(self.requests), ids)
        items = [
            {"index": {"status": status, **({"error": {"type": KINDS.get(status, "e")}} if status > 300 else {})}}
            for status in statuses
        ]
        return SimpleNamespace(body={"items": items})


def api_error(status: int, kind: str) -> ApiError:
    node = NodeConfig("http", "localhost", 9200)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, node)
    return ApiError(kind, meta, {"error": {"type": kind}})


def writer(client: FakeClient, waits: list[float]) -> BulkWriter:
    fake: Any = client
    return BulkWriter(fake, "indexer", max_documents=10, max_bytes=10_000, wait=waits.append)


def test_only_what_was_refused_is_sent_again() -> None:
    client = FakeClient(lambda request, ids: [429 if request == 1 and name == "2" else 201 for name in ids])
    waits: list[float] = []
    answers = writer(client, waits).write([action(1), action(2), action(3)])
    assert [answer.verdict for answer in answers] == [Verdict.INDEXED] * 3
    assert client.requests == [["1", "2", "3"], ["2"]]
    assert len(waits) == 1


def test_an_outage_is_ridden_out() -> None:
    def rule(request: int, ids: list[str]) -> list[int]:
        if request <= 5:
            raise RefusedError("refused")
        return [201] * len(ids)

    waits: list[float] = []
    answers = writer(FakeClient(rule), waits).write([action(1)])
    assert [answer.verdict for answer in answers] == [Verdict.INDEXED]
    assert len(waits) == 5


def test_mixed_items_have_each_their_end() -> None:
    statuses = {"1": 201, "2": 409, "3": 400}
    answers = writer(FakeClient(lambda _, ids: [statuses[name] for name in ids]), []).write(
        [action(1), action(2), action(3)]
    )
    assert [answer.verdict for answer in answers] == [Verdict.INDEXED, Verdict.UNCHANGED, Verdict.DEAD]


def test_a_request_that_is_too_large_is_split_down_to_the_document() -> None:
    def rule(_: int, ids: list[str]) -> list[int]:
        if "3" in ids:
            raise api_error(413, "too_large")
        return [201] * len(ids)

    sizes = {3: 20_000}
    answers = writer(FakeClient(rule), []).write([action(number, sizes.get(number, 10)) for number in range(1, 6)])
    assert [answer.verdict.value for answer in answers] == ["indexed", "indexed", "too_large", "indexed", "indexed"]


def test_a_proxy_that_refuses_small_documents_is_waited_out() -> None:
    def rule(request: int, ids: list[str]) -> list[int]:
        if request <= 3:
            raise api_error(413, "too_large")
        return [201] * len(ids)

    waits: list[float] = []
    bulk = writer(FakeClient(rule), waits)
    reasons: list[str | None] = []
    bulk.wait = lambda seconds: (waits.append(seconds), reasons.append(bulk.stopped_reason))[0]
    answers = bulk.write([action(1), action(2)])
    assert [answer.verdict for answer in answers] == [Verdict.INDEXED] * 2
    assert "413" in (reasons[0] or "")


def test_a_missing_index_stops_alarms_and_goes_on_when_mended() -> None:
    waits: list[float] = []
    reasons: list[str | None] = []
    client = FakeClient(lambda request, ids: [404 if request == 1 else 201] * len(ids))
    bulk = writer(client, waits)
    bulk.wait = lambda seconds: (waits.append(seconds), reasons.append(bulk.stopped_reason))[0]
    answers = bulk.write([action(1)])
    assert [answer.verdict for answer in answers] == [Verdict.INDEXED]
    assert reasons[0]
    assert bulk.stopped_reason is None


def test_an_outage_that_ends_does_not_clear_a_halt() -> None:
    HALTED.labels("indexer").set(1)
    assert writer(FakeClient(lambda _, ids: [201] * len(ids)), []).write([]) == []
    assert HALTED.labels("indexer")._value.get() == 1
    HALTED.labels("indexer").set(0)


def test_several_requests_go_at_once_and_the_answers_keep_their_order() -> None:
    """Each request waits until the other one is there."""
    both = threading.Barrier(2, timeout=10)

    def rule(_: int, ids: list[str]) -> list[int]:
        both.wait()
        return [409 if name == "7" else 400 if name == "150" else 201 for name in ids]

    client: Any = FakeClient(rule)
    bulk = BulkWriter(client, "indexer", max_documents=500, max_bytes=10_000_000, wait=lambda _: None, requests=2)
    verdicts = [answer.verdict for answer in bulk.write([action(number) for number in range(300)])]
    assert sorted(map(len, client.requests)) == [150, 150]
    assert verdicts[7] is Verdict.UNCHANGED
    assert verdicts[150] is Verdict.DEAD
    assert verdicts.count(Verdict.INDEXED) == 298


def test_only_the_request_that_failed_goes_again() -> None:
    lock = threading.Lock()
    failed: list[str] = []

    def rule(_: int, ids: list[str]) -> list[int]:
        with lock:
            if "0" in ids and not failed:
                failed.extend(ids)
                raise RefusedError("refused")
        return [201] * len(ids)

    client: Any = FakeClient(rule)
    waits: list[float] = []
    bulk = BulkWriter(client, "indexer", max_documents=500, max_bytes=10_000_000, wait=waits.append, requests=2)
    answers = bulk.write([action(number) for number in range(250)])
    assert [answer.verdict for answer in answers] == [Verdict.INDEXED] * 250
    assert len(waits) == 1
    sent = [name for ids in client.requests for name in ids]
    assert sorted(sent) == sorted([*map(str, range(250)), *failed])


def test_few_documents_are_one_request() -> None:
    client: Any = FakeClient(lambda _, ids: [201] * len(ids))
    bulk = BulkWriter(client, "indexer", max_documents=500, max_bytes=10_000_000, wait=lambda _: None, requests=2)
    bulk.write([action(number) for number in range(100)])
    assert len(client.requests) == 1

"""Writes a batch of actions until each one has a final answer. It waits as long as an outage lasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil

from elasticsearch import ApiError, Elasticsearch, SerializationError, TransportError

from services.common.logging import get_logger
from services.common.metrics import HALTED, RETRIES
from services.common.retries import Backoff
from services.indexer.bulk import Action, ItemAnswer, NoAnswerError, Verdict, batches, classify, read_answer

log = get_logger(__name__)
STOPPED_SECONDS = 15.0
"""Pause between attempts while a person must fix something."""
SMALLEST_SHARE = 100
"""Fewer documents are not split into several requests. Each request has a cost of its own."""


@dataclass(slots=True)
class BulkWriter:
    """Writes actions. `wait(seconds)` is called during an outage, and must keep the consumer in its group.

    Up to `requests` bulk requests go at once, because Elasticsearch works on each of them with one thread. Which of two
    versions of a document comes last does not matter: Elasticsearch keeps the higher one.
    """

    client: Elasticsearch
    service: str
    max_documents: int
    max_bytes: int
    wait: Callable[[float], None]
    requests: int = 1
    require_alias: bool = True
    waiting: bool = False
    stopped_reason: str | None = None
    _backoff: Backoff = field(default_factory=Backoff)
    _threads: ThreadPoolExecutor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.requests > 1:
            self._threads = ThreadPoolExecutor(self.requests, thread_name_prefix="bulk")

    def write(self, actions: Sequence[Action]) -> list[ItemAnswer]:
        """Write all actions. Returns their final answers in order: INDEXED, UNCHANGED, DEAD or TOO_LARGE."""
        answers: dict[int, ItemAnswer] = {}
        pending = list(range(len(actions)))
        while pending:
            results = self._send_all([actions[index] for index in pending])
            again = []
            for index, result in zip(pending, results, strict=True):
                if result.verdict in (Verdict.RETRY, Verdict.STOP):
                    again.append(index)
                else:
                    answers[index] = result
            pending = again
            if pending:
                self._pause(results)
        self._resume()
        return [answers[index] for index in range(len(actions))]

    def _send_all(self, actions: Sequence[Action]) -> list[ItemAnswer]:
        share = max(SMALLEST_SHARE, ceil(len(actions) / self.requests))
        requests = list(batches(actions, min(share, self.max_documents), self.max_bytes))
        send = self._threads.map if self._threads is not None and len(requests) > 1 else map
        return [answer for answers in send(self._send, requests) for answer in answers]

    def _send(self, batch: list[Action]) -> list[ItemAnswer]:  # noqa: PLR0911 - one return for each kind of answer
        body = b"".join(action.lines() for action in batch)
        try:
            answer = self.client.bulk(operations=[body[:-1]], require_alias=self.require_alias)  # type: ignore[list-item]  # the client sends bytes unchanged
            return read_answer(answer.body, len(batch))
        except NoAnswerError as error:
            return [ItemAnswer(Verdict.RETRY, str(error))] * len(batch)
        except SerializationError as error:
            return [ItemAnswer(Verdict.RETRY, f"no answer to a bulk request: {str(error)[:200]}")] * len(batch)
        except ApiError as error:
            verdict = classify(error.status_code, str(error.error), str(error.message))
            if verdict is Verdict.TOO_LARGE and len(batch) == 1 and batch[0].size <= self.max_bytes:
                # The limit of the settings is below that of Elasticsearch, so something between refuses it.
                return [ItemAnswer(Verdict.STOP, f"a proxy refuses a request of {batch[0].size:,} bytes with 413")]
            if verdict is Verdict.TOO_LARGE and len(batch) > 1:
                middle = len(batch) // 2
                return self._send(batch[:middle]) + self._send(batch[middle:])
            if verdict is Verdict.DEAD and len(batch) > 1:
                return [answer for action in batch for answer in self._send([action])]
            return [ItemAnswer(verdict, f"{error.error}: {error.message}")] * len(batch)
        except TransportError as error:
            return [ItemAnswer(Verdict.RETRY, f"{type(error).__name__}: {error.message}")] * len(batch)

    def _pause(self, results: list[ItemAnswer]) -> None:
        self.waiting = True
        stop = next((result for result in results if result.verdict is Verdict.STOP), None)
        reason = next(result.reason for result in results if result.verdict in (Verdict.RETRY, Verdict.STOP))
        if stop is not None and self.stopped_reason is None:
            HALTED.labels(self.service).set(1)
            log.error("stopped until a person fixes it", reason=stop.reason)
        self.stopped_reason = stop.reason if stop else None
        RETRIES.labels(self.service, "elasticsearch").inc()
        seconds = STOPPED_SECONDS if stop else self._backoff.next_seconds()
        log.warning("Elasticsearch does not take documents; waiting", reason=reason, seconds=round(seconds, 1))
        self.wait(seconds)

    def _resume(self) -> None:
        if self.waiting:
            log.info("Elasticsearch takes documents again")
            HALTED.labels(self.service).set(0)
        self.waiting, self.stopped_reason = False, None
        self._backoff.reset()

"""Lets go of kept messages once the index has them.

Kafka removes messages after their retention, read or not. What came from a feed or a push cannot be read again, so it
is kept here until it is indexed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from elasticsearch import ApiError, Elasticsearch, TransportError

from services.common.elastic import make_client, revisions_of
from services.common.logging import get_logger
from services.common.settings import ElasticsearchSettings
from services.producer.ledger.metrics import KEPT
from services.producer.ledger.store import Store
from services.producer.settings import ProducerSettings

SWEEP_SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 10
"""Younger messages are usually still on their way, so it is no use to ask for them."""
CHUNK: Final = 500
log = get_logger(__name__)
Drop = Callable[[list[tuple[str, int]]], None]
"""Removes messages from what is kept: article ids and revisions."""


class KeptSweeper:
    """A thread that asks Elasticsearch for kept messages, and gives `drop` those that it has."""

    def __init__(self, settings: ProducerSettings, drop: Drop) -> None:
        self._store_file = settings.store_file
        self._settings = ElasticsearchSettings(home=settings.home)
        self._drop = drop
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._was_away = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end. It ends with the process at the latest."""
        self._stopping.set()

    def _run(self) -> None:
        client = make_client(self._settings, timeout_seconds=10)
        try:
            while not self._stopping.wait(SWEEP_SECONDS):
                try:
                    with closing(Store(self._store_file)) as store:
                        self.sweep(store, client)
                except Exception:  # a store that is locked for long, for example
                    log.exception("what is kept was not looked at; the next round tries again")
        finally:
            client.close()

    def sweep(self, store: Store, client: Elasticsearch) -> None:
        """Look at every kept message once. Without an answer nothing is dropped, and the next round asks again."""
        index = self._settings.name("articles")
        try:
            for chunk in chunks_of_kept(store, int(time.time()) - SETTLE_SECONDS):
                if indexed := indexed_of(client, index, chunk):
                    self._drop(indexed)
        except (ApiError, TransportError) as error:
            if not self._was_away:
                log.warning("Elasticsearch gives no answer; what was sent is kept", error=str(error)[:200])
            self._was_away = True
        else:
            self._was_away = False
        KEPT.set(store.kept.count())


def chunks_of_kept(store: Store, before: int) -> Iterator[list[tuple[str, int]]]:
    """Article id and revision of everything that was kept before a Unix second."""
    after = ""
    while chunk := store.kept.page(before, after, CHUNK):
        yield chunk
        after = chunk[-1][0]


def indexed_of(client: Elasticsearch, index: str, kept: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Those that the index has at this revision or a newer one."""
    revisions = revisions_of(client, index, [article_id for article_id, _ in kept])
    return [(article_id, revision) for article_id, revision in kept if revisions.get(article_id, 0) >= revision]

"""Sends articles again that Kafka removed before they were indexed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.common.producer import SafeProducer
from services.producer.ledger.articles import to_raw_article
from services.producer.ledger.sender import LedgerSender
from services.producer.ledger.store import Store
from services.producer.replay.origin import ReplayOrigin, items_at
from services.producer.replay.replayer import to_line
from services.producer.settings import ProducerSettings
from services.producer.sources import SourceError
from services.producer.sources.base import Entry, Problem

UNKNOWN_PLACE = (
    "its message is not kept: it was indexed once, or sent by an earlier version. Send it again where it came from"
)
NOT_THERE = "the content has changed since. Replay it again"


@dataclass(slots=True)
class Repaired:
    """The revisions of articles that were sent again, and why the others could not be."""

    revisions: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Repairer:
    """Sends articles again: kept messages as they are, and items of replays from their files.

    `on_progress` is called for each article that was looked at. DeliveryError when Kafka fails: nothing is lost, and
    the same can be done again.
    """

    settings: ProducerSettings
    store: Store
    producer: SafeProducer
    on_progress: Callable[[], None] = lambda: None
    result: Repaired = field(default_factory=Repaired)

    def repair(self, article_ids: Iterable[str]) -> Repaired:
        """Send the last message of each of these articles again."""
        replays: dict[str, dict[int, str]] = defaultdict(dict)
        kept = LedgerSender(self.settings, self.producer)
        for article_id in article_ids:
            line = self.store.kept.line(article_id)
            place = self.store.place(article_id)
            if line is not None and (place is None or line.revision >= place.revision):
                kept.send(line)
                self._done(article_id, line.revision)
            elif place is not None:
                replays[place.replay][place.position] = article_id
            else:
                self._give_up(article_id, UNKNOWN_PLACE)
        self.producer.flush()
        kept.record(self.store, lambda *_: None)
        for name, positions in replays.items():
            self._from_files(name, positions)
        return self.result

    def _from_files(self, name: str, positions: dict[int, str]) -> None:
        origin = ReplayOrigin.model_validate_json(self.store.origin(name) or "")
        sender = LedgerSender(self.settings, self.producer, name)
        reason = NOT_THERE
        try:
            if origin.name() == name:
                for position, item in items_at(origin, self.settings, dict(positions)):
                    self._send(sender, positions.pop(position), item, position)
        except (OSError, SourceError) as error:
            reason = f"{error}. Replay it again"
        for article_id in positions.values():
            self._give_up(article_id, f"it came from {', '.join(origin.paths)}: {reason}")
        self.producer.flush()
        sender.record(self.store, lambda *_: None)

    def _send(self, sender: LedgerSender, article_id: str, item: Entry | Problem, position: int) -> None:
        if isinstance(item, Problem):
            return self._give_up(article_id, NOT_THERE)
        with self.store.transaction():
            article = to_raw_article(item, self.store, self.settings.max_raw_bytes)
        if isinstance(article, Problem) or article.article_id != article_id:
            return self._give_up(article_id, NOT_THERE)
        sender.send(to_line(article, position))
        return self._done(article_id, article.revision)

    def _done(self, article_id: str, revision: int) -> None:
        self.result.revisions[article_id] = revision
        self.on_progress()

    def _give_up(self, article_id: str, reason: str) -> None:
        self.result.reasons[article_id] = reason
        self.on_progress()

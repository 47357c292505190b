"""Sends articles and dead letters to Kafka, and writes confirmed messages to the ledger.

The outbox writer and the replay use it. The producer has no other way onto Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from schemas.topics import DEAD, RAW
from services.common.messages import REVISION_HEADER
from services.common.producer import Delivered, SafeProducer
from services.common.settings import Settings
from services.producer.ledger.kept import OutboxLine
from services.producer.ledger.store import LedgerLine, Store

NO_PLACE = "-"
"""The name of replays whose items have no fixed place: those of topics."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A line that Kafka has confirmed, without its message, and its place in Kafka."""

    line: OutboxLine
    delivered: Delivered

    def to_ledger(self, replay: str | None = None) -> LedgerLine:
        """The ledger line of an article. `replay` names the replay that it belongs to."""
        line, place = self.line, self.delivered
        identity = (line.article_id, line.guid, line.source_id, line.revision, line.content_hash)
        position = line.line if replay not in (None, NO_PLACE) else None
        return LedgerLine(*identity, place.topic, place.partition, place.offset, replay, position)


NoteDone = Callable[[Store, Sequence[Confirmed]], None]
"""Called with confirmed lines in the transaction that writes their ledger lines."""


@dataclass(slots=True)
class LedgerSender:
    """Sends lines in order. `in_flight` counts the lines that Kafka has not confirmed yet.

    In a replay, the ledger lines note its name and the position of each item.
    """

    settings: Settings
    producer: SafeProducer
    replay: str | None = None
    in_flight: int = 0
    _confirmed: list[Confirmed] = field(default_factory=list)

    def send(self, line: OutboxLine) -> None:
        """Send one line. DeliveryError when an earlier line failed."""
        self.in_flight += 1
        if line.is_letter:
            topic, headers = self.settings.topic(DEAD), []
        else:
            topic, headers = self.settings.topic(RAW), [(REVISION_HEADER, str(line.revision).encode())]
        self.producer.send(topic, line.article_id.encode(), line.message, headers, self._on_delivered(line))

    def _on_delivered(self, line: OutboxLine) -> Callable[[Delivered], None]:
        """Keep only the values for the ledger while the send is open, not the message."""
        known = replace(line, message=b"")

        def confirm(delivered: Delivered) -> None:
            self.in_flight -= 1
            self._confirmed.append(Confirmed(known, delivered))

        return confirm

    def settle(self) -> None:
        """Check finished sends without waiting. DeliveryError when a send failed."""
        self.producer.settle(leave_open=10**9)

    def record(self, store: Store, note_done: NoteDone) -> list[Confirmed]:
        """Write the ledger lines of confirmed articles and call `note_done`, in one transaction. Returns the lines."""
        confirmed, self._confirmed = self._confirmed, []
        if confirmed:
            with store.transaction():
                store.append(entry.to_ledger(self.replay) for entry in confirmed if not entry.line.is_letter)
                note_done(store, confirmed)
        return confirmed

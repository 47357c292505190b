"""Sends articles and dead letters to Kafka, and writes to the ledger what Kafka has confirmed.

The outbox writer and the replay feed it: there is no other way from the producer onto Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from schemas.topics import DEAD, RAW
from services.common.messages import REVISION_HEADER
from services.common.producer import Delivered, SafeProducer
from services.common.settings import Settings
from services.producer.ledger.store import LedgerLine, OutboxLine, Store


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A line that Kafka has confirmed (without its message), and where it lies."""

    line: OutboxLine
    delivered: Delivered

    def to_ledger(self) -> LedgerLine:
        """The ledger's line of an article."""
        line, place = self.line, self.delivered
        identity = (line.article_id, line.guid, line.source_id, line.revision, line.content_hash)
        return LedgerLine(*identity, place.topic, place.partition, place.offset)


NoteDone = Callable[[Store, Sequence[Confirmed]], None]
"""Writes what else is done with confirmed lines, in the transaction that writes their ledger lines."""


@dataclass(slots=True)
class LedgerSender:
    """Sends lines in their order. `in_flight` counts those that Kafka has not confirmed yet."""

    settings: Settings
    producer: SafeProducer
    in_flight: int = 0
    _confirmed: list[Confirmed] = field(default_factory=list)

    def send(self, line: OutboxLine) -> None:
        """Hand one line over; DeliveryError when an earlier one failed."""
        self.in_flight += 1
        if line.is_letter:
            topic, headers = self.settings.topic(DEAD), []
        else:
            topic, headers = self.settings.topic(RAW), [(REVISION_HEADER, str(line.revision).encode())]
        self.producer.send(topic, line.article_id.encode(), line.message, headers, self._on_delivered(line))

    def _on_delivered(self, line: OutboxLine) -> Callable[[Delivered], None]:
        """Keep only what the ledger needs while the send is open, and not the article."""
        known = replace(line, message=b"")

        def confirm(delivered: Delivered) -> None:
            self.in_flight -= 1
            self._confirmed.append(Confirmed(known, delivered))

        return confirm

    def settle(self) -> None:
        """Look at the sends that are done, without waiting; DeliveryError when one failed."""
        self.producer.settle(leave_open=10**9)

    def record(self, store: Store, note_done: NoteDone) -> list[Confirmed]:
        """Write ledger lines of the confirmed articles, and what `note_done` writes, together; returns the lines."""
        confirmed, self._confirmed = self._confirmed, []
        if confirmed:
            with store.transaction():
                store.append(entry.to_ledger() for entry in confirmed if not entry.line.is_letter)
                note_done(store, confirmed)
        return confirmed

"""Letters as they lie in Kafka: which are alive, and that a replay never loses the message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from schemas.dead_letter import DeadLetter, ErrorClass
from services.common import records
from services.common.dead_letters import Received, dead_articles, drop_letter, make_letter, read_letters, replay_letter
from services.common.messages import ATTEMPTS_HEADER, REVISION_HEADER, RejectedMessage, encode
from services.common.producer import DeliveryError
from services.common.settings import Settings
from tests.examples import EXAMPLES
from tests.fakes import FakeConsumer, FakeKafka, FakeProducer

REJECTED = RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "no JSON")
FAILED_AT = datetime(2023, 6, 1, 12, tzinfo=UTC)
DEAD_TOPIC = "articles.dead"


def letter_of(
    offset: int, topic: str = "articles.raw", key: bytes | None = b"k", at: datetime = FAILED_AT
) -> DeadLetter:
    headers = ((REVISION_HEADER, b"5"), (ATTEMPTS_HEADER, b"2"))
    return make_letter(Received(topic, 0, offset, 0, key, b"\xff", headers), REJECTED, "worker", at)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    made = FakeKafka()
    made.make_topic(DEAD_TOPIC)
    monkeypatch.setattr(records, "KafkaConsumer", partial(FakeConsumer, made))
    return made


def bury(kafka: FakeKafka, letter: DeadLetter) -> None:
    kafka.append(DEAD_TOPIC, letter.letter_id.encode(), encode(letter))


class TestReading:
    def test_letters_come_in_the_order_in_which_they_failed_last(self, kafka: FakeKafka, settings: Settings) -> None:
        for offset in (1, 2, 3, 1):
            bury(kafka, letter_of(offset))
        assert [letter.source_offset for letter in read_letters(settings)] == [2, 3, 1]

    def test_a_letter_that_failed_again_keeps_its_first_failure(self, kafka: FakeKafka, settings: Settings) -> None:
        again = FAILED_AT + timedelta(days=1)
        for at in (FAILED_AT, again):
            bury(kafka, letter_of(1, at=at))
        (letter,) = read_letters(settings)
        assert (letter.first_failed_at, letter.last_failed_at) == (FAILED_AT, again)

    def test_a_dropped_letter_is_gone_and_a_new_failure_is_a_new_letter(
        self, kafka: FakeKafka, settings: Settings
    ) -> None:
        again = FAILED_AT + timedelta(days=1)
        bury(kafka, letter_of(1))
        bury(kafka, letter_of(2))
        for offset in (1, 2):
            kafka.append(DEAD_TOPIC, letter_of(offset).letter_id.encode(), None)
        bury(kafka, letter_of(2, at=again))
        (letter,) = read_letters(settings)
        assert (letter.source_offset, letter.first_failed_at) == (2, again)

    def test_the_examples_are_read_as_they_are(self, kafka: FakeKafka, settings: Settings) -> None:
        examples = [
            DeadLetter.model_validate_json(path.read_bytes()) for path in (EXAMPLES / DEAD_TOPIC).glob("valid/*")
        ]
        for number, letter in enumerate(examples):
            kafka.append(DEAD_TOPIC, str(number).encode(), encode(letter))
        assert list(read_letters(settings)) == examples

    def test_what_is_no_letter_of_ours_is_shown_so_that_it_can_be_dropped(
        self, kafka: FakeKafka, settings: Settings
    ) -> None:
        kafka.append(DEAD_TOPIC, b"odd \xff", b"no JSON")
        kafka.append(DEAD_TOPIC, None, b"{}")
        bury(kafka, letter_of(1))
        odd, nameless, ours = read_letters(settings)
        assert (odd.letter_id, odd.stage, odd.original_value) == ("odd \ufffd", "unreadable letter", b"no JSON")
        assert nameless.letter_id == f"{DEAD_TOPIC}/0/1"
        assert ours.letter_id == "articles.raw/0/1"

    def test_an_unreadable_letter_hides_no_later_one_under_its_key(self, kafka: FakeKafka, settings: Settings) -> None:
        letter = letter_of(1)
        kafka.append(DEAD_TOPIC, letter.letter_id.encode(), b"no JSON")
        bury(kafka, letter)
        (read,) = read_letters(settings)
        assert read.stage == "decode"


def test_dead_articles_are_those_of_letters_that_hold_one(settings: Settings) -> None:
    letters = [
        letter_of(1, key=b"a"),
        letter_of(2, key=None),
        letter_of(3, topic="stories", key=b"story"),
        letter_of(4, key=b"b").model_copy(update={"revision": None, "original_value": b'{"revision": 7, "broken'}),
        letter_of(5, key=b"c").model_copy(update={"revision": None, "original_value": b"no record"}),
    ]
    assert list(dead_articles(settings, letters)) == [("a", 5), ("b", 7), ("c", 0)]


class TestReplaying:
    def test_the_original_is_sent_whole_and_knows_its_attempts(self, settings: Settings) -> None:
        producer = FakeProducer()
        replay_letter(producer, settings, letter_of(1))  # type: ignore[arg-type]  # SafeProducer's surface
        assert producer.sent[0] == ("articles.raw", b"k", b"\xff")
        assert producer.headers[0] == [(REVISION_HEADER, b"5"), (ATTEMPTS_HEADER, b"3")]

    def test_the_letter_goes_when_the_original_is_confirmed(self, kafka: FakeKafka, settings: Settings) -> None:
        """The original, a flush, and only then the tombstone: a crash between them sends the original twice."""
        producer = FakeProducer(kafka=kafka)
        bury(kafka, letter_of(1))
        confirmed: list[list[tuple[str, bytes | None]]] = []

        def flush() -> None:
            FakeProducer.flush(producer)
            confirmed.append([(topic, value) for topic, _, value in producer.sent])

        producer.flush = flush  # type: ignore[method-assign]
        replay_letter(producer, settings, letter_of(1))  # type: ignore[arg-type]
        original, tombstone = ("articles.raw", b"\xff"), (DEAD_TOPIC, None)
        assert confirmed == [[original], [original, tombstone]]
        assert list(read_letters(settings)) == []

    def test_an_original_that_is_not_confirmed_keeps_its_letter(self, kafka: FakeKafka, settings: Settings) -> None:
        producer = FakeProducer(confirms=0, kafka=kafka)
        bury(kafka, letter_of(1))
        with pytest.raises(DeliveryError):
            replay_letter(producer, settings, letter_of(1))  # type: ignore[arg-type]
        assert [topic for topic, _, _ in producer.sent] == ["articles.raw"]
        assert len(list(read_letters(settings))) == 1

    def test_a_tombstone_that_is_not_confirmed_is_an_error(self, kafka: FakeKafka, settings: Settings) -> None:
        """The letter stays beside its replayed original: twice is harmless, lost is not."""
        bury(kafka, letter_of(1))
        with pytest.raises(DeliveryError):
            replay_letter(FakeProducer(confirms=1, kafka=kafka), settings, letter_of(1))  # type: ignore[arg-type]
        assert len(kafka.logs[kafka.partitions("articles.raw")[0]]) == 1
        assert len(list(read_letters(settings))) == 1

    def test_a_replay_that_fails_again_counts_on(self, kafka: FakeKafka, settings: Settings) -> None:
        replay_letter(FakeProducer(kafka=kafka), settings, letter_of(1))  # type: ignore[arg-type]
        (record,) = kafka.logs[kafka.partitions("articles.raw")[0]]
        received = Received("articles.raw", 0, 9, 0, record.key, record.value, tuple(record.headers))
        again = make_letter(received, REJECTED, "worker")
        assert (again.attempts, again.revision) == (4, 5)

    def test_dropping_needs_a_confirmation(self, kafka: FakeKafka, settings: Settings) -> None:
        bury(kafka, letter_of(1))
        bury(kafka, letter_of(2))
        drop_letter(FakeProducer(kafka=kafka), settings, letter_of(1))  # type: ignore[arg-type]
        with pytest.raises(DeliveryError):
            drop_letter(FakeProducer(confirms=0, kafka=kafka), settings, letter_of(2))  # type: ignore[arg-type]
        assert [letter.source_offset for letter in read_letters(settings)] == [2]

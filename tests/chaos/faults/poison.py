"""Messages that no service can read. Each must become a dead letter, and stop nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.topics import DEAD, RAW, TOPICS, Topic
from services.common.dead_letters import letter_id, read_letters
from services.common.kafka import client_options
from tests.chaos.environment import ROOT
from tests.chaos.registry import fault
from tests.chaos.rounds import Round, wait_until_settled

EXAMPLES = ROOT / "schemas" / "examples"
DEEP = 200_000
OVERSIZED_BYTES = 28_000_000
"""Kafka takes it, and not the base64 of it."""
HEADERS = [("dragoman-revision", b"\xff"), ("dragoman-attempts", b"9" * 500)]
SETTLE_SECONDS = 120


def poisons(topic: Topic, run: Round) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Key and value of each kind of poison. A compacted topic does not accept messages without a key."""
    example = json.loads(min((EXAMPLES / topic.name / "valid").glob("*.json")).read_text(encoding="utf8"))
    text = json.dumps(example)
    yield b"random", run.random.randbytes(200)
    yield b"null", None
    yield b"empty", b""
    yield b"other", b'{"hello": "world"}'
    yield b"old-schema", json.dumps(example | {"schema_version": 0}).encode()
    yield b"new-schema", json.dumps(example | {"schema_version": 99, "new_field": 1}).encode()
    yield b"deep-list", b"[" * DEEP + b"]" * DEEP
    yield b"deep-object", b'{"a":' * (DEEP // 2) + b"1" + b"}" * (DEEP // 2)
    yield b"nan", text.replace("1", "NaN", 1).encode()
    yield b"surrogate", b'{"article_id": "\\ud800"}'
    yield b"nul", b"\x00" * 1000
    yield b"\xff\xfe[/red]\x1b[31m", b"\xff\xfe\xfd"
    yield b"utf-16", text.encode("utf-16")
    yield b"bom", b"\xef\xbb\xbf" + text.encode()
    yield b"huge-integer", text.replace("1", "9" * 30, 1).encode()
    if not topic.compacted:
        yield None, b"{}"
    yield from twins(topic)


def twins(topic: Topic) -> Iterator[tuple[bytes, bytes]]:
    """Poison that says the current version, so that a reader of a few fields meets it."""
    if topic is DEAD:  # some of them would be letters, of messages that nobody sent
        return
    newest = max((EXAMPLES / topic.name / "valid").glob("v?-*.json"))
    example = json.loads(newest.read_text(encoding="utf8"))
    key = next(iter(example.keys() - {"schema_version"} & {"article_id", "story_id", "edit_id", "letter_id"}))
    whole = json.dumps(example)
    yield b"twin-other", json.dumps({"schema_version": example["schema_version"], "hello": "world"}).encode()
    yield b"twin-new-field", json.dumps({**example, "new_field": 1}).encode()
    yield b"twin-nan", whole[:-1].encode() + b', "new_field": NaN}'
    yield b"twin-surrogate", whole[:-1].encode() + b', "new_field": "\\ud800"}'
    yield b"twin-deep-list", whole[:-1].encode() + b', "new_field": ' + b"[" * DEEP + b"]" * DEEP + b"}"
    yield b"twin-utf-16", whole.encode("utf-16")
    yield b"twin-bom", b"\xef\xbb\xbf" + whole.encode()
    yield b"twin-cut", whole.encode()[:-20]
    yield b"twin-twice", whole.encode() * 2
    yield b"twin-no-id", json.dumps({name: value for name, value in example.items() if name != key}).encode()
    for name in sorted(example.keys() & {key, "revision", "text", "language", "entities", "editions", "articles"}):
        yield f"twin-{name}-object".encode(), json.dumps({**example, name: {"odd": 1}}).encode()
        yield f"twin-{name}-null".encode(), json.dumps({**example, name: None}).encode()
        yield f"twin-{name}-number".encode(), json.dumps({**example, name: 10**30}).encode()


@fault(messages=60, rate=6)
def poison_on_every_topic(run: Round) -> None:
    """Sixteen kinds of poison and their twins of the current version on every topic, and then `dead list`."""
    sent: dict[str, set[str]] = {}
    for topic in TOPICS:
        sent[topic.name] = send_poison(run, topic)
    run.may_die.update(*sent.values())
    settled, left = wait_until_settled(run.pipeline, SETTLE_SECONDS)
    if settled is None:
        run.needs.append(f"poison stops a service: {left}")
    found = {
        letter_id(letter.source_topic, letter.source_partition, letter.source_offset)
        for letter in read_letters(run.pipeline.settings)
    }
    for name, places in sent.items():
        if name != DEAD.name and places - found:
            run.needs.append(f"{len(places - found)} poisoned messages of {name} have no dead letter")
    for arguments in (("dead", "list"), ("dead", "list", "--json"), ("status",), ("verify",)):
        done = run.pipeline.run(*arguments)
        if done.returncode and "Traceback" in done.stderr:
            run.needs.append(f"`{' '.join(arguments)}` ends with a traceback")


def send_poison(run: Round, topic: Topic) -> set[str]:
    """Send every kind to one topic. Returns where the messages are."""
    settings = run.pipeline.settings
    name = settings.topic(topic)
    producer = KafkaProducer(**client_options(settings), max_request_size=settings.max_request_bytes)
    places = set()
    try:
        for key, value in poisons(topic, run):
            try:
                where = producer.send(name, key=key, value=value, headers=HEADERS).get(timeout=30)
            except KafkaError as error:
                run.notes[f"refused {topic.name}"] = type(error).__name__
                continue
            places.add(letter_id(where.topic, where.partition, where.offset))
    finally:
        producer.close()
    return places


@fault(patience=120)
def poison_too_large_for_a_letter(run: Round) -> None:
    """One message of 28 MB on articles.raw: its dead letter would be larger than Kafka accepts."""
    settings = run.pipeline.settings
    producer = KafkaProducer(**client_options(settings), max_request_size=settings.max_request_bytes)
    try:
        value = run.random.randbytes(OVERSIZED_BYTES)
        where = producer.send(settings.topic(RAW), key=b"big", value=value, partition=0).get(timeout=60)
    finally:
        producer.close()
    run.may_die.add(letter_id(where.topic, where.partition, where.offset))

"""Articles that are unusual, and messages that come several times and in another order."""

from __future__ import annotations

from kafka import KafkaProducer

from schemas.topics import ENRICHED, RAW
from services.common.kafka import client_options
from services.producer.identity import article_id_of
from tests.chaos.evidence import read_topic
from tests.chaos.registry import Traffic, fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import Replay, write_lines

PICTURES = 900
PICTURES_SHORT = 250
PICTURE_RATE = 200.0
COPIES = 3
LATEST = 100


@fault(messages=40, rate=4, patience=120)
def articles_without_text(run: Round) -> None:
    """Nine hundred articles that are one picture each, between ordinary ones."""
    count, seed = PICTURES_SHORT if run.is_short else PICTURES, run.make_seed()
    path = run.new_file()
    pictures = [picture(f"{seed}-{number}") for number in range(count)]
    write_lines(path, pictures)
    source = path.stem
    run.may_die.update(article_id_of(source, article["guid"], None) for article in pictures)
    run.send(Replay(run.pipeline, path, count, PICTURE_RATE), PICTURE_RATE)


def picture(guid: str) -> dict[str, str]:
    """An article with a title and a picture, and no other text."""
    content = f"<p><img src='https://photos.example/{guid}.jpg'></p>"
    return {"guid": guid, "title": f"Photo of the day {guid}", "content_type": "text/html", "content": content}


@fault(messages=80, rate=20)
def duplicates_in_another_order(run: Round) -> None:
    """The latest messages of articles.raw and articles.enriched come three times more, in a random order."""
    run.finish_sending()
    settings = run.pipeline.settings
    producer = KafkaProducer(**client_options(settings), max_request_size=settings.max_request_bytes)
    try:
        for topic in (RAW, ENRICHED):
            latest = sorted(read_topic(settings, topic), key=lambda record: record.timestamp)[-LATEST:]
            records = latest * COPIES
            run.random.shuffle(records)
            for record in records:
                producer.send(record.topic, key=record.key, value=record.value, headers=list(record.headers))
            run.notes[topic.name] = len(records)
        producer.flush(timeout=60)
    finally:
        producer.close()


def make_page(words: str, number: int, script: str) -> str:
    """A page of one paragraph."""
    head = f"<head><title>Quay {number}</title><script>{script}</script></head>"
    return f"<html>{head}<body><p>{words.format(number=number)}</p></body></html>"


@fault(traffic=Traffic.OWN, patience=300)
def largest_pages(run: Round) -> None:
    """Eight pages of almost 8 MiB, most of it script, between ordinary articles."""
    path = run.new_file()
    seed = run.make_seed()
    script = "var counter = counter + 1;\n" * ((run.pipeline.settings.max_article_bytes - 4096) // 27)
    words = "The harbour of Bergen was closed on Monday for repairs to quay {number}, the council said."
    pages = [
        {"guid": f"{seed}-page-{number}", "content_type": "text/html", "content": make_page(words, number, script)}
        for number in range(8)
    ]
    write_lines(path, pages)
    run.send(Replay(run.pipeline, path, len(pages), 2), 1)
    run.replay(60, 8)


@fault(traffic=Traffic.OWN, patience=400, by_name=True)
def slow_articles(run: Round) -> None:
    """Two articles whose entities take very long to link, between ordinary ones."""
    path = run.new_file()
    seed = run.make_seed()
    slow = [
        {"guid": f"{seed}-han", "content": "中国" * 15_000},
        {"guid": f"{seed}-names", "content": "Aa " * 340_000},
    ]
    write_lines(path, slow)
    run.may_die.update(article_id_of(path.stem, article["guid"], None) for article in slow)
    run.send(Replay(run.pipeline, path, len(slow), 1), 1)
    run.replay(60, 8)

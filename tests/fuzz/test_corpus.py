"""The seeds are good examples: without damage they give their entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.producer.sources import Entry, SourceOptions, open_source
from services.producer.sources.documents import Document
from services.producer.sources.formats import parse_document
from tests.fuzz import seeds
from tests.fuzz.promises import NOW
from tests.fuzz.readers import COLUMNS, OPTIONS, READERS, Reader

DOCUMENTS = {"rss.xml": 2, "atom.xml": 2, "rdf.xml": 1, "sitemap.xml": 1, "feed.json": 2, "page.html": 1}
LISTS = {"sitemap-index.xml": 2, "feeds.opml": 2}
FILES = {
    "articles.jsonl": (seeds.seed("articles.jsonl"), 2),
    "articles.csv": (seeds.seed("articles.csv"), 2),
    "articles.tsv": (seeds.seed("articles.tsv"), 1),
    "a.warc": (seeds.ARCHIVE, 3),
    "a.warc.gz": (seeds.gzipped(seeds.ARCHIVE), 3),
    "a.warc.zst": (seeds.zstd(seeds.ARCHIVE), 3),
    "b.warc.zst": (seeds.zstd_with_dictionary(seeds.ARCHIVE), 3),
}


@pytest.mark.parametrize("name", [*DOCUMENTS, *LISTS])
def test_a_document_gives_its_entries_or_children(name: str) -> None:
    parsed = parse_document(Document("https://news.example/feed", seeds.seed(name)), "news", NOW)
    assert [type(item) for item in parsed.items] == [Entry] * DOCUMENTS.get(name, 0)
    assert len(parsed.children) == LISTS.get(name, 0)


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_its_entries(name: str, tmp_path: Path) -> None:
    data, count = FILES[name]
    (tmp_path / name).write_bytes(data)
    assert [type(item) for item in open_source(tmp_path / name, OPTIONS).entries()] == [Entry] * count


def test_columns_give_an_entry(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(seeds.seed("columns.jsonl"))
    options = SourceOptions(source_id=None, max_article_bytes=100_000, columns=COLUMNS)
    assert [type(item) for item in open_source(tmp_path / "a.jsonl", options).entries()] == [Entry]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: str(reader.name))
def test_every_reader_has_seeds(reader: Reader) -> None:
    assert reader.seeds

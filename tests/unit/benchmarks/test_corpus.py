"""The benchmark's articles: the same every time, and no two alike."""

from __future__ import annotations

from pathlib import Path

import orjson

from benchmarks.corpus import Corpus, open_corpus, read_seeds, to_page
from services.extraction.extract import from_html
from services.fingerprint import text_hashes

COUNT = 300


def test_the_same_articles_every_time() -> None:
    first, second = (list(Corpus("seeds", read_seeds()).lines(COUNT)) for _ in range(2))
    assert first == second


def test_an_article_does_not_depend_on_how_many_are_made() -> None:
    corpus = Corpus("seeds", read_seeds())
    assert list(corpus.lines(5, first=40)) == list(corpus.lines(COUNT))[40:45]


def test_another_seed_makes_other_articles() -> None:
    one, other = (Corpus("seeds", read_seeds(), seed).article(0) for seed in (1, 2))
    assert one.content != other.content
    assert one.guid != other.guid


def test_guids_and_texts_are_unique() -> None:
    for corpus in (Corpus("seeds", read_seeds()), open_corpus()):
        lines = list(corpus.lines(COUNT))
        assert len({line.guid for line in lines}) == COUNT
        assert len({line.content for line in lines}) == COUNT


def test_articles_of_one_source_are_not_near_duplicates() -> None:
    import numpy as np

    sources = read_seeds()
    lines = list(Corpus("seeds", sources).lines(20 * len(sources)))[:: len(sources)]
    hashed = [text_hashes(None, line.content)[0] for line in lines]
    alike = [len(np.intersect1d(a, b)) / min(len(a), len(b)) for index, a in enumerate(hashed) for b in hashed[:index]]
    assert float(np.mean(alike)) < 0.4


def test_a_line_is_what_replay_reads(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    written = open_corpus().write(path, 10)
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert written.articles == len(lines) == 10
    assert written.mean_characters == sum(len(line["content"]) for line in lines) / 10
    assert set(lines[0]) == {"guid", "source_id", "content_type", "title", "content", "published_at"}


def test_a_page_has_the_text_of_its_article_and_the_size_of_a_usual_page() -> None:
    """The extraction finds the article again, without menus and scripts."""
    line = Corpus("seeds", read_seeds()).article(3)
    page = to_page(line)
    assert 40_000 < len(page.content) < 90_000
    assert (page.guid, page.content_type) == (line.guid, "text/html")
    extracted = from_html(page.content, None)
    assert extracted is not None
    found = extracted.text
    assert all(sentence in found for sentence in line.content.split("\n"))
    assert "Another story" not in found
    assert "window.widget" not in found

"""Bytes of an article on its way: raw, enriched, grouped, the row of dedup, and the index.

    python -m benchmarks.speed.sizes [--articles N] [--json PATH]

An embedded stack of its own takes the articles of the corpus. Load of the machine changes no figure here.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import Elasticsearch
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import open_corpus
from benchmarks.speed.pipeline import settings_of, to_json, watch
from benchmarks.speed.processes import embedded_stack
from services.common.elastic import make_client
from services.common.records import read_topic
from services.common.settings import Settings

RESULTS = Path(__file__).with_name("sizes.json")
TOPICS = ("articles.raw", "articles.enriched", "articles.grouped", "dedup-articles-changelog")
TARGETS = {"articles.enriched": 7000, "articles.grouped": 6000, "dedup-articles-changelog": 8000, "index": 5000}
"""Bytes for the 1.9 kB articles of Wikinews."""


def latest_values(settings: Settings, topic: str) -> list[bytes]:
    """The last value of each key of a topic."""
    latest = {record.key: record.value for record in read_topic(settings, topic)}
    return [value for value in latest.values() if value is not None]


def measure(articles: int, *, vectors: bool) -> dict[str, Any]:
    """The mean bytes of an article in each place, and of its text."""
    with tempfile.TemporaryDirectory(prefix="dragoman-sizes-") as name, embedded_stack(vectors=vectors) as running:
        path = Path(name) / "corpus.jsonl"
        open_corpus().write(path, articles)
        running.command("replay", str(path)).wait()
        client = make_client(settings_of(running))
        try:
            if watch(client, articles).found < articles:
                raise TimeoutError(f"not all of {articles} articles are searchable")
            index = index_bytes(client) / articles
        finally:
            client.close()
        topics = {topic: latest_values(settings_of(running), topic) for topic in TOPICS}
    grouped = [orjson.loads(value) for value in topics["articles.grouped"]]
    return {
        "articles": articles,
        "vectors": vectors,
        "text": round(sum(len(article["text"].encode()) for article in grouped) / articles),
        **{topic: round(sum(map(len, values)) / articles) for topic, values in topics.items()},
        "index": round(index),
    }


def index_bytes(client: Elasticsearch) -> int:
    """The bytes of the index of articles as one segment."""
    client.indices.flush(index="articles", force=True)
    client.options(request_timeout=300).indices.forcemerge(index="articles", max_num_segments=1)
    client.indices.flush(index="articles", force=True)
    stats: Any = client.indices.stats(index="articles", metric="store")
    return int(stats["_all"]["primaries"]["store"]["size_in_bytes"])


def to_table(runs: list[dict[str, Any]]) -> Table:
    """The figures, with what they should reach."""
    table = Table(title=f"Bytes per article ({runs[0]['text']:,} of text)")
    for heading in ("place", *("with vectors" if run["vectors"] else "without" for run in runs), "to reach"):
        table.add_column(heading, justify="left" if heading == "place" else "right")
    for place in (*TOPICS, "index"):
        wanted = TARGETS.get(place)
        table.add_row(place, *(f"{run[place]:,}" for run in runs), f"{wanted:,}" if wanted else "")
    return table


def main() -> None:
    """Measure with and without vectors, print the table, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--articles", type=int, default=1000, metavar="N", help="articles (default: 1000)")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="PATH", help="where the figures are written")
    options = parser.parse_args()
    runs = [measure(options.articles, vectors=vectors) for vectors in (False, True)]
    Console().print(to_table(runs))
    options.json.write_bytes(to_json({"runs": runs, "targets": TARGETS}))


if __name__ == "__main__":
    main()

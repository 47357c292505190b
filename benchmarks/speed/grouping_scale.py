"""Measures dedup with many live articles: time per article and memory, by their number.

    python -m benchmarks.speed.grouping_scale [--sizes 10000,100000] [--json PATH]

Live articles are synthetic, with about 2 kB of text each: 60 names and numbers, of which seven are entities, 150 word
stems, 310 word bigrams, and a vector in every second article. Word frequencies follow real use (log-uniform ranks). Of
the articles that are then taken, every third reports the event of a live article and every twentieth is a copy. What is
timed is all that dedup does with a message, but for Kafka and the store; `first_ms` is that for the first message after
a rebuild. Each size is measured in a separate process.
`loop_ms` says how fast the machine was meanwhile, and
`disk_read_kib` how much an article read from the disk, because the system had dropped its page cache.
"""

from __future__ import annotations

import argparse
import gc
import json
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.corpus import ROOT
from benchmarks.speed.measures import loop_ms
from schemas.article import EntityType, Fingerprint, KeyFlag, Keys, StoryReason
from services.common.messages import encode
from services.dedup.articles import ArticlePart, EntityPart, read_article
from services.dedup.digests import NoDigests, digest_of, pack
from services.dedup.grouping import Grouper
from services.dedup.profiles import Profile, pack_short_hashes, sample, to_profile
from services.dedup.rows import ArticleRow, Decision
from services.dedup.store import Records
from services.fingerprint import distinct

LENGTH = struct.Struct("<I")
RESULTS = Path(__file__).with_name("dedup_scale.json")
"""`grouping_scale.json` has the figures of version 0.1.0, which timed the decisions alone."""
EXAMPLE = ROOT / "schemas" / "examples" / "articles.enriched" / "valid" / "v2-full.json"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
TAKEN = 600
REMEMBERED = 5000
"""An article reports the event of one of the latest so many, or copies one of them."""
TAKEN_DUPLICATES = 3000
NAMES, TERMS, WORDS, FACTS = 60, 150, 310, 40
NAME_VOCABULARY, TERM_VOCABULARY, WORD_VOCABULARY = 4_000_000, 400_000, 50_000_000
HASH_FACTOR = np.uint32(2654435761)
LOOP_EVERY = 20
STORY_EVERY, COPY_EVERY = 3, 20
ENTITY_EVERY = 8
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Ids = npt.NDArray[np.uint32]


class Maker:
    """Makes synthetic articles. The same seed gives the same articles."""

    def __init__(self, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        self._template = read_article(EXAMPLE.read_bytes())
        self._made: list[tuple[Ids, Ids, Ids]] = []

    def make_profile(self, number: int, *, vector: bool) -> tuple[Profile, ArticleRow]:
        """The profile and the row of article `number`, in a separate story.

        It is one that no later article copies, so the hashes of its words are made and not derived from a text.
        """
        article = self.make(number, vector=vector)
        words = self._made[-1][2].astype(np.uint32) * HASH_FACTOR
        pairs = distinct(words * np.uint32(0x9E3779B1))
        row = to_row(article.model_copy(update={"text": ""}), number)
        profile = to_profile(row)
        profile.words, profile.shingles = pack_short_hashes(words), pack_short_hashes(pairs)
        profile.sampled = sample(pairs).tobytes()
        return profile, row

    def make(self, number: int, *, vector: bool) -> ArticlePart:
        """Make article `number`. Some articles report the event of an earlier article, some copy an earlier article."""
        names, terms, words = (
            self._draw(count, vocabulary)
            for count, vocabulary in (
                (NAMES, NAME_VOCABULARY),
                (TERMS, TERM_VOCABULARY),
                (WORDS, WORD_VOCABULARY),
            )
        )
        if self._made and number % STORY_EVERY == 0:
            old = self._made[int(self._random.integers(len(self._made)))]
            names, terms = (
                np.unique([*old[0][: NAMES // 2], *names[NAMES // 2 :]]),
                np.unique([*old[1][:60], *terms[60:]]),
            )
            if number % COPY_EVERY == 0:
                names, terms, words = old
        self._remember((names.astype(np.uint32), terms.astype(np.uint32), words))
        return self._template.model_copy(
            update={
                "article_id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))),
                "fetched_at": NOW,
                "published_at": NOW - timedelta(days=int(self._random.integers(10))),
                "entities": entities_in(self._made[-1][0]),
                "places": (),
                "embedding": self._random.integers(-90, 90, 512).astype(np.int8).tobytes() if vector else None,
                "text": " ".join(f"w{word}" for word in self._made[-1][2].tolist()),
                "fingerprint": self._fingerprint(*self._made[-1][:2]),
            }
        )

    def _remember(self, made: tuple[Ids, Ids, Ids]) -> None:
        self._made.append(made)
        del self._made[:-REMEMBERED]

    def _draw(self, count: int, vocabulary: int) -> Ids:
        ranks = np.exp(self._random.random(count) * np.log(vocabulary))
        return np.unique(ranks.astype(np.uint32))

    def _fingerprint(self, names: Ids, terms: Ids) -> Fingerprint:
        is_entity = names % ENTITY_EVERY == 0
        hashes = names * HASH_FACTOR
        hashes[is_entity] = [crc32(id_of(name).encode()) for name in names[is_entity].tolist()]
        hashes, first = np.unique(hashes, return_index=True)
        flags = np.where(np.arange(len(hashes)) < 10, KeyFlag.LEDE, 0) | np.where(is_entity[first], KeyFlag.ENTITY, 0)
        return Fingerprint(
            facts=tuple(str(value) for value in names[:FACTS].tolist()),
            terms=np.sort(terms * HASH_FACTOR + np.uint32(1)).tobytes(),
            term_counts=bytes([1]) * len(terms),
            term_flags=bytes(int(place < 30) for place in range(len(terms))),
            keys=Keys(
                hashes=hashes.tobytes(),
                counts=bytes([1]) * len(hashes),
                flags=flags.astype(np.uint8).tobytes(),
                labels=tuple(str(value) for value in names[first].tolist()),
            ),
        )


def id_of(name: int) -> str:
    """The id of the entity that a name stands for."""
    return f"Q{name}"


def entities_in(names: Ids) -> tuple[EntityPart, ...]:
    """The entities among the names of an article: every eighth name."""
    found = names[names % ENTITY_EVERY == 0].tolist()
    kind = EntityType.PERSON
    return tuple(EntityPart(id=id_of(name), type=kind, name=f"Name {name}", country="NL") for name in found)


class Encoded(MutableMapping[bytes, bytes]):
    """The bytes of rows, as the store on disk has them. A row that `take` did not write is a row like every other."""

    def __init__(self, like: ArticlePart, live: Mapping[str, object]) -> None:
        self._kept: dict[bytes, bytes] = {}
        self._like, self._id = encode(to_row(like, 0)), like.article_id.encode()
        self._live = live

    def __getitem__(self, key: bytes) -> bytes:
        if key not in self._kept and key.decode() in self._live:
            return self._like.replace(self._id, key)
        return self._kept[key]

    def __setitem__(self, key: bytes, row: bytes) -> None:
        self._kept[key] = row

    def __delitem__(self, key: bytes) -> None:
        self._kept.pop(key, None)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def to_row(article: ArticlePart, arrival: int) -> ArticleRow:
    """The row of the article, in a separate story."""
    alone = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
    return ArticleRow(article=article, arrival=arrival, decision=alone, story_opened_at=article.fetched_at)


class SpooledDigests(NoDigests):
    """Digests in a file, as the store has them on disk."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self.bytes = 0

    def keep(self, article_id: str, digest: bytes) -> None:
        """Add a digest."""
        del article_id
        self._file.write(LENGTH.pack(len(digest)) + digest)
        self.bytes += len(digest)

    def values(self) -> Iterator[bytes]:
        """Every digest."""
        self._file.seek(0)
        while head := self._file.read(LENGTH.size):
            yield self._file.read(LENGTH.unpack(head)[0])


class Counted(dict[str, ArticleRow]):
    """The rows of a rebuild that needs none of them, but their number."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count


def build(maker: Maker, size: int) -> tuple[Grouper, SpooledDigests]:
    """A grouper with so many live articles, each in a story of its own, and their digests."""
    grouper, digests = Grouper(timedelta(days=14)), SpooledDigests()
    grouper.rows = Records(ArticleRow, Encoded(maker.make(-1, vector=True), grouper.live))
    for number in range(size):
        vector = number % 2 == 0
        if number < size - REMEMBERED:
            profile, row = maker.make_profile(number, vector=vector)
        else:
            row = to_row(maker.make(number, vector=vector), number)
            profile = to_profile(row)
        digest = digest_of(row, profile)
        digests.keep(row.article_id, pack(digest))
        grouper._note(digest)  # noqa: SLF001 - a million takes are hours
        grouper._insert(profile)  # noqa: SLF001
    return grouper, digests


def measure(size: int) -> dict[str, float]:
    """The figures of one size."""
    maker = Maker()
    began = time.perf_counter()
    grouper, digests = build(maker, size)
    print(f"{size:,} articles are live", file=sys.stderr, flush=True)
    found: dict[str, float] = {"live_articles": size, "build_seconds": round(time.perf_counter() - began, 1)}
    found["digest_bytes"] = round(digests.bytes / size)
    found["memory_mib"] = round(psutil.Process().memory_info().rss / 2**20, 1)
    gc.freeze()  # as dedup does after a rebuild
    # the first search after a rebuild indexes what was added since the last one
    found["first_ms"] = _clock(grouper, [maker.make(size, vector=False)], "first")["mean_ms"]
    for name, vector in (("with_vectors", True), ("without_vectors", False)):
        taken = [maker.make(size + 1 + number, vector=vector) for number in range(TAKEN)]
        found |= {f"{name}.{figure}": value for figure, value in _clock(grouper, taken, name).items()}
    found["duplicates_per_second"] = _clock_duplicates(grouper, maker, size)
    del grouper
    began = time.perf_counter()
    Grouper.rebuild(timedelta(days=14), Counted(size), digests=digests)
    found["rebuild_ms_per_row"] = round((time.perf_counter() - began) / size * 1000, 3)
    return found


def _clock(grouper: Grouper, taken: list[ArticlePart], name: str) -> dict[str, float]:
    """Seconds of all that dedup does with a message: reading, decision, row, articles to send, updates of stories."""
    messages = [
        encode(article.model_copy(update={"article_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number}"))}))
        for number, article in enumerate(taken)
    ]
    seconds, loops, deciding = [], [], 0.0
    read_before = psutil.Process().io_counters().read_bytes
    for number, message in enumerate(messages):
        if number % LOOP_EVERY == 0:
            loops.append(loop_ms())
        began = time.perf_counter()
        article = read_article(message)
        read = time.perf_counter()
        result = grouper.take(article, now=NOW)
        deciding += time.perf_counter() - read
        for changed in (result.article, *result.moved, *map(grouper.story, result.changed)):
            if changed is not None:
                encode(changed)
        seconds.append(time.perf_counter() - began)
    return {
        "mean_ms": round(float(np.mean(seconds)) * 1000, 2),
        "p99_ms": round(float(np.quantile(seconds, 0.99)) * 1000, 2),
        "deciding_ms": round(deciding / len(messages) * 1000, 2),
        "articles_per_second": round(1 / float(np.mean(seconds)), 1),
        "loop_ms": round(float(np.median(loops)), 2),
        "disk_read_kib": round((psutil.Process().io_counters().read_bytes - read_before) / 1024 / len(messages), 1),
    }


def _clock_duplicates(grouper: Grouper, maker: Maker, size: int) -> float:
    """Articles per second that are compared with all originals and then added."""
    index = grouper._duplicates  # noqa: SLF001 - what is measured
    made = [maker.make(2 * size + number, vector=False) for number in range(TAKEN_DUPLICATES)]
    rows = [to_profile(to_row(article, 3 * size + number)) for number, article in enumerate(made)]
    began = time.perf_counter()
    for profile in rows:
        index.find(profile)
        grouper.live.store(profile.article.slot, profile.pack())
        grouper.live.add(profile.article)
        index.add(profile)
    return round(len(rows) / (time.perf_counter() - began), 1)


def main() -> None:
    """Measure every size in a separate process, show and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.size:
        print(json.dumps(measure(asked.size)))
        return
    found = []
    for size in map(int, asked.sizes.split(",")):
        command = [sys.executable, "-m", "benchmarks.speed.grouping_scale", "--size", str(size)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
        print(json.dumps(found[-1]), flush=True)
    asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()

"""What dedup knows of a live article: a small record in memory, and a profile of a few kilobytes to compare it with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from struct import Struct
from sys import intern
from zlib import crc32

import numpy as np
import numpy.typing as npt

from schemas.article import KeyFlag
from services.dedup.rows import ArticleRow
from services.fingerprint import distinct, text_hashes

DAMPING = 0.3
"""Weight of keys that are always in the news (measured, see docs/adr/0006)."""
MOST_DIGITS = 3
SAMPLE_MODULUS = 6
SMALL_SAMPLE = 6
SMALL_MODULUS = 2
DAY_SECONDS = 86400.0
LAST_SECOND = 253_402_300_799.0
"""The last second of the year 9999. With a fraction, a float of it is rounded up to a date that does not exist."""
UNCASED = frozenset(
    [
        "am",
        "ar",
        "as",
        "bn",
        "bo",
        "ckb",
        "dv",
        "dz",
        "fa",
        "gu",
        "he",
        "hi",
        "ja",
        "ka",
        "km",
        "kn",
        "ko",
        "lo",
        "ml",
        "mr",
        "my",
        "ne",
        "or",
        "pa",
        "ps",
        "sd",
        "si",
        "ta",
        "te",
        "th",
        "ti",
        "ug",
        "ur",
        "yi",
        "yue",
        "zh",
    ]
)
"""Languages whose scripts have no capitals. There only known entities are found as names."""
Hashes = npt.NDArray[np.uint32]


@cache
def has_capitals(language: str) -> bool:
    """Whether a language is written with capitals."""
    return language.split("-", maxsplit=1)[0] not in UNCASED


@dataclass(slots=True)
class LiveArticle:
    """The part of a live article that is always in memory.

    `slot` numbers the articles in the order in which dedup took them. `day` is the date that the article states, in
    days since 1970. `fetched`, `event` and `opened` are Unix seconds; `event` is the time to sort by, `opened` is the
    time at which the story's first article was fetched.
    """

    article_id: str
    slot: int
    story_id: str
    duplicate_of: str | None
    language: str
    source_id: str
    day: float | None
    fetched: float
    event: float
    opened: float
    story_revision: int

    def __post_init__(self) -> None:
        """Equal values become one object. There are a million live articles."""
        self.language, self.source_id = intern(self.language), intern(self.source_id)
        if self.story_id == self.article_id:
            self.story_id = self.article_id
        if self.event == self.fetched:
            self.event = self.fetched
        if self.opened == self.fetched:
            self.opened = self.fetched

    @classmethod
    def of(cls, row: ArticleRow) -> LiveArticle:
        """The live article of a row."""
        article = row.article
        return cls(
            article_id=article.article_id,
            slot=row.arrival,
            story_id=row.decision.story_id,
            duplicate_of=row.decision.duplicate_of,
            language=article.language.code,
            source_id=article.source_id,
            day=article.published_at.timestamp() / DAY_SECONDS if article.published_at else None,
            fetched=min(article.fetched_at.timestamp(), LAST_SECOND),
            event=min(article.event_at.timestamp(), LAST_SECOND),
            opened=row.story_opened_at.timestamp(),
            story_revision=row.story_revision,
        )

    @property
    def is_duplicate(self) -> bool:
        """Whether it is a near-duplicate of another article."""
        return self.duplicate_of is not None

    @property
    def has_capitals(self) -> bool:
        """Whether it is written in a script with capitals."""
        return has_capitals(self.language)


@dataclass(slots=True)
class Profile:
    """What one article is compared by. It follows from the text alone, whatever is decided about the article.

    `keys` and `terms` are uint32, and each flag is a byte. `key_weights` and `term_weights` are float16: 1 + ln of the
    count, damped if the key is always in the news.
    `shingles`, `words`, `facts` and `digits` are sets of uint16. The sets are so small that the shorter hash causes
    0.5 % of false matches, and it halves the size. `digits` are the first `MOST_DIGITS` digits of each number among
    the facts, so that a long number says more than a short one.
    `vector` is 512 int8, or empty. `sampled` are uint32: the word bigrams by which near-duplicates are found.
    """

    article: LiveArticle
    title: str | None
    keys: bytes
    key_weights: bytes
    key_flags: bytes
    terms: bytes
    term_weights: bytes
    term_flags: bytes
    shingles: bytes
    words: bytes
    facts: bytes
    digits: bytes
    vector: bytes
    sampled: bytes

    def pack(self) -> bytes:
        """The profile without its article, as bytes: the lengths of its parts, and the parts."""
        title = b"" if self.title is None else self.title.encode("utf8", "surrogatepass")
        arrays = [getattr(self, name) for name in ARRAYS]
        lengths = LENGTHS.pack(self.title is not None, len(title), *map(len, arrays))
        return b"".join([lengths, title, *arrays])

    @classmethod
    def unpack(cls, article: LiveArticle, packed: bytes) -> Profile:
        """The profile that was packed."""
        has_title, *lengths = LENGTHS.unpack_from(packed)
        parts, start = [], LENGTHS.size
        for length in lengths:
            parts.append(packed[start : start + length])
            start += length
        title, *arrays = parts
        return cls(article, title.decode("utf8", "surrogatepass") if has_title else None, *arrays)

    @property
    def actors(self) -> Hashes:
        """The hashes of the ids of its entities."""
        flags = np.frombuffer(self.key_flags, np.uint8)
        found: Hashes = np.frombuffer(self.keys, "<u4")[(flags & KeyFlag.ENTITY) != 0]
        return found

    @property
    def all_keys(self) -> Hashes:
        """The names, numbers, entities and word stems by which stories are found."""
        return np.frombuffer(self.keys + self.terms, "<u4")

    @property
    def samples(self) -> Hashes:
        """The word bigrams by which near-duplicates are found."""
        return np.frombuffer(self.sampled, "<u4")


ARRAYS = tuple(field for field in Profile.__slots__ if field not in {"article", "title"})
"""The fields of a profile that are bytes, in their order when it is packed."""
LENGTHS = Struct(f"<?I{len(ARRAYS)}I")
"""Whether there is a title, its length in bytes, and the length of each array."""


def sample(shingles: Hashes) -> Hashes:
    """Some of the word bigrams of a text: on average every sixth, or every second of a short text.

    The hash of a bigram decides whether it is sampled, so that two texts sample the same bigrams.
    """
    chosen: Hashes = shingles[shingles % SAMPLE_MODULUS == 0]
    if len(chosen) < SMALL_SAMPLE:
        chosen = shingles[shingles % SMALL_MODULUS == 0]
    return chosen


def to_profile(row: ArticleRow) -> Profile:
    """The profile of the row's article."""
    article, found = row.article, row.article.fingerprint
    shingles, words = text_hashes(article.title, article.text)
    flags = np.frombuffer(found.keys.flags, np.uint8)
    damped = np.where(flags & KeyFlag.ALWAYS_IN_THE_NEWS, DAMPING, 1.0)
    return Profile(
        article=LiveArticle.of(row),
        title=article.title,
        keys=found.keys.hashes,
        key_weights=(count_weights(found.keys.counts) * damped).astype("<f2").tobytes(),
        key_flags=found.keys.flags,
        terms=found.terms,
        term_weights=count_weights(found.term_counts).astype("<f2").tobytes(),
        term_flags=found.term_flags,
        shingles=pack_short_hashes(shingles),
        words=pack_short_hashes(words),
        facts=pack_short_hashes(hash_facts(article.fingerprint.facts)),
        digits=pack_short_hashes(hash_facts(split_digits(article.fingerprint.facts))),
        vector=article.embedding or b"",
        sampled=sample(shingles).tobytes(),
    )


def count_weights(counts: bytes) -> npt.NDArray[np.float64]:
    """1 + ln of each count. Counts are at least one."""
    return 1.0 + np.log(np.frombuffer(counts, np.uint8).astype(np.float64))


def hash_facts(facts: Sequence[str]) -> Hashes:
    """CRC-32 of each fact."""
    return np.fromiter((crc32(fact.encode("utf8", "surrogatepass")) for fact in facts), "<u4", count=len(facts))


def split_digits(facts: Iterable[str]) -> list[str]:
    """A name for each of the first `MOST_DIGITS` digits of each number: three for `1984`, one for `7`."""
    numbers = [fact for fact in facts if fact.isdecimal()]
    return [f"{number}#{place}" for number in numbers for place in range(min(len(number), MOST_DIGITS))]


def as_hashes(packed: bytes) -> npt.NDArray[np.uint16]:
    """A packed set of 16-bit hashes."""
    return np.frombuffer(packed, "<u2")


def pack_short_hashes(hashes: Hashes) -> bytes:
    """Pack 32-bit hashes as distinct 16-bit hashes, sorted."""
    return distinct((hashes ^ (hashes >> 16)).astype("<u2")).tobytes()

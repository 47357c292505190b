"""Sketches of words, facts and names. The choices were measured: docs/adr/0006."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from anyascii import anyascii

from schemas.article import ArticleDraft, Entity, EntityType, Fingerprint, KeyFlag, Keys
from services.common.derived import WORD as TOKEN

VERSION = "fingerprint@2"
Hashes = npt.NDArray[np.uint32]
PAIR_FACTOR = np.uint32(2654435761)
"""Knuth's multiplier (2**32 / golden ratio). With it, the pairs `a b` and `b a` get different hashes."""
MAX_TOKENS = 8000
MAX_TERMS = 150
MAX_NAMES = 120
MAX_FACTS = 400
MAX_COUNT = 255
LEDE_CHARACTERS = 400
STEM_CHARACTERS = 6
ROOT_CHARACTERS = 4
"""Letters that the names of a country and its adjective share: Russia, Russian; China, Chinese."""
PROMINENT = 0.4
"""Entities of at least this prominence are always in the news. They count as actors only, and grouping damps them."""
ADJECTIVE_ENDING = 2
"""Maximum number of consonants that turn a country's name into its adjective: Russia, Russian; China, Chinese."""
CAPITALISED_WORDS = frozenset(
    [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "montag",
        "dienstag",
        "mittwoch",
        "donnerstag",
        "freitag",
        "samstag",
        "sonntag",
        "januar",
        "februar",
        "märz",
        "mai",
        "juni",
        "juli",
        "oktober",
        "dezember",
        "president",
        "minister",
        "ministry",
        "foreign",
        "prime",
        "secretary",
        "general",
        "senator",
        "king",
        "queen",
        "republic",
        "government",
        "parliament",
        "congress",
        "party",
        "north",
        "south",
        "east",
        "west",
        "northern",
        "southern",
        "eastern",
        "western",
        "united",
    ]
)
"""Words that have a capital but are not names."""
MIN_TERM = 3
MIN_CONSONANTS = 2
CAPITALISED = re.compile(r"(?<![^\W_])[^\W\d_a-zа-яß-öø-ÿ][^\W_]+(?:['’][^\W_]+)*", re.UNICODE)
"""A quick search for words that may begin with a capital. `isupper` decides."""
NUMBER = re.compile(r"\d[\d.,\u00a0\u202f' ]*\d|\d")
SENTENCE_START = re.compile(r"(?:^|[.!?…。！？:\n]|[.!?][\"'”’»)])\s*[\"'“”‘’«»(\[–—-]*\s*$")
SEPARATORS = re.compile(r"\D")
CONSONANT_STEPS = (
    (re.compile(r"sch|sh"), "s"),
    (re.compile(r"ch|ck|q|c"), "k"),
    (re.compile(r"ph|v|w"), "f"),
    (re.compile(r"z"), "s"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"[aeiouyjh]"), ""),
    (re.compile(r"[^a-z0-9]"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)


def fingerprint(draft: ArticleDraft) -> ArticleDraft:
    """Add `fingerprint`."""
    normalized = draft.normalized
    title = (normalized.title if normalized else draft.title) or ""
    body = normalized.text if normalized else draft.content
    heading = heading_of(title, body)
    whole = heading + body
    tokens = tokenize(whole)[:MAX_TOKENS]
    capitals = capitalised_tokens(whole)
    entities = draft.entities or ()
    lede_end = len(heading) + LEDE_CHARACTERS
    terms = unknown_terms(term_counts(tokens), entities)
    made = Fingerprint(
        facts=tuple(sorted(facts(body, [token for token in capitals if token.start >= len(heading)]))[:MAX_FACTS]),
        **pack_terms(terms, term_counts(tokenize(whole[:lede_end])), draft.language.code if draft.language else "und"),
        keys=make_keys(whole, capitals, entities, lede_end),
    )
    return draft.model_copy(update={"fingerprint": made})


def heading_of(title: str, body: str) -> str:
    """What stands before the body where grouping compares words: the title, unless it is the text."""
    return f"{title}\n" if title and title != body else ""


def text_hashes(title: str | None, text: str) -> tuple[Hashes, Hashes]:
    """The distinct hashes of the word bigrams of title and text, and those of the words. Both are sorted."""
    hashes = hash_tokens(tokenize(heading_of(title or "", text) + text)[:MAX_TOKENS])
    return distinct(hash_pairs(hashes)), distinct(hashes)


def distinct(hashes: Hashes) -> Hashes:
    """The distinct hashes, sorted. `numpy.unique` takes several times as long for some hundred elements."""
    ordered = np.sort(hashes)
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    found: Hashes = ordered[is_first]
    return found


def make_keys(whole: str, capitals: list[Token], entities: Iterable[Entity], lede_end: int) -> Keys:
    """The names, numbers and entities with their counts and flags, sorted by hash."""
    rows: dict[int, tuple[int, int, str]] = {}
    for key, (count, flags, label) in name_keys(whole, capitals, lede_end, entities).items():
        rows[crc32(key.encode())] = (count, flags, label)
    for entity in entities:
        flags = KeyFlag.ENTITY | (KeyFlag.ALWAYS_IN_THE_NEWS if entity.prominence >= PROMINENT else 0)
        if any(mention.field == "title" or mention.start < LEDE_CHARACTERS for mention in entity.mentions):
            flags |= KeyFlag.LEDE
        rows[crc32(entity.id.encode())] = (1, flags, f"{entity.name} ({entity.id})")
    hashes = sorted(rows)
    return Keys(
        hashes=np.array(hashes, dtype="<u4").tobytes(),
        counts=bytes(min(rows[key][0], MAX_COUNT) for key in hashes),
        flags=bytes(rows[key][1] for key in hashes),
        labels=tuple(rows[key][2] for key in hashes),
    )


def name_keys(
    whole: str, capitals: list[Token], lede_end: int, entities: Iterable[Entity]
) -> dict[str, tuple[int, int, str]]:
    """The count, flags and spelling of each consonant key of a name and of each `#` + number."""
    kept = unknown_names(name_counts(whole, capitals), entities)
    flags, labels = dict.fromkeys(kept, 0), dict[str, str]()
    places = [(consonant_key(token.text), token.start, token.text) for token in capitals]
    places += [(f"#{SEPARATORS.sub('', match[0])}", match.start(), match[0]) for match in NUMBER.finditer(whole)]
    for key, start, spelling in places:
        if key in kept:
            labels.setdefault(key, spelling)
            flags[key] |= KeyFlag.LEDE if start < lede_end else 0
    return {
        key: (count, flags[key] | (KeyFlag.NUMBER if key.startswith("#") else 0), labels[key])
        for key, count in kept.items()
    }


def pack_terms(terms: Counter[str], lede: Counter[str], language: str) -> dict[str, bytes]:
    """`terms`, `term_counts` and `term_flags`: the most frequent stems, hashed with the language, sorted by hash."""
    hashed = {
        crc32(f"{language}:{term}".encode()): (count, KeyFlag.LEDE if term in lede else 0)
        for term, count in terms.most_common(MAX_TERMS)
    }
    hashes = sorted(hashed)
    return {
        "terms": np.array(hashes, dtype="<u4").tobytes(),
        "term_counts": bytes(min(hashed[term][0], MAX_COUNT) for term in hashes),
        "term_flags": bytes(hashed[term][1] for term in hashes),
    }


def unknown_names(names: dict[str, int], entities: Iterable[Entity]) -> dict[str, int]:
    """Remove the names of entities that are always in the news, and the adjectives of countries (`Chinese`)."""
    prominent = [entity for entity in entities if entity.prominence >= PROMINENT]
    known = {
        consonant_key(token)
        for entity in prominent
        for mention in entity.mentions
        for token in TOKEN.findall(mention.surface)
    }
    stems = tuple({consonant_key(entity.name) for entity in prominent if entity.type is EntityType.LOCATION} - {""})
    return {
        name: count
        for name, count in names.items()
        if name not in known
        and not any(name.startswith(stem) and len(name) - len(stem) <= ADJECTIVE_ENDING for stem in stems)
    }


def unknown_terms(terms: Counter[str], entities: Iterable[Entity]) -> Counter[str]:
    """Remove the words of the same names and adjectives, so that an actor counts only once."""
    prominent = [entity for entity in entities if entity.prominence >= PROMINENT]
    tokens = {token for entity in prominent for mention in entity.mentions for token in tokenize(mention.surface)}
    stems = {token[:STEM_CHARACTERS] for token in tokens}
    roots = {token[:ROOT_CHARACTERS] for token in tokens if len(token) > ROOT_CHARACTERS}
    return Counter(
        {
            term: count
            for term, count in terms.items()
            if term not in stems and not (len(term) > ROOT_CHARACTERS and term[:ROOT_CHARACTERS] in roots)
        }
    )


def tokenize(text: str) -> list[str]:
    """Words after NFKC and case folding, or characters if the script has no spaces."""
    return TOKEN.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def hash_tokens(tokens: list[str]) -> Hashes:
    """The CRC-32 of each token, in order."""
    return np.fromiter(map(hash_token, tokens), dtype="<u4", count=len(tokens))


@lru_cache(maxsize=65536)
def hash_token(token: str) -> int:
    """The CRC-32 of a token."""
    return crc32(token.encode("utf8", "surrogatepass"))


def hash_pairs(hashes: Hashes) -> Hashes:
    """A hash of each pair of neighbouring hashes. If there is only one, itself."""
    return hashes[:-1] * PAIR_FACTOR + hashes[1:] if len(hashes) > 1 else hashes


class Token(NamedTuple):
    """A word with a capital: its text, where it begins, and whether it begins a sentence."""

    text: str
    start: int
    opens_sentence: bool


def capitalised_tokens(text: str) -> list[Token]:
    """Words of at least two letters that begin with a capital."""
    return [
        Token(match[0], match.start(), bool(SENTENCE_START.search(text, max(0, match.start() - 12), match.start())))
        for match in CAPITALISED.finditer(text)
        if match[0][0].isupper()
    ]


def numbers(text: str) -> list[str]:
    """The digits of every number, without separators."""
    return [SEPARATORS.sub("", match[0]) for match in NUMBER.finditer(text)]


def facts(text: str, capitals: Iterable[Token] | None = None) -> set[str]:
    """Numbers without separators, and capitalised tokens inside sentences. Template news differs in these."""
    tokens = capitalised_tokens(text) if capitals is None else capitals
    return {*numbers(text), *(token.text.casefold() for token in tokens if not token.opens_sentence)}


def term_counts(tokens: list[str]) -> Counter[str]:
    """Counts of crude stems: the first six characters of a word, or bigrams of CJK characters."""
    counts: Counter[str] = Counter()
    for first, second in pairwise([*tokens, ""]):
        if len(first) == 1 and ord(first) > 0x2E80:
            counts[first + second[:1]] += 1
        elif len(first) >= MIN_TERM and not first.isdigit():
            counts[first[:STEM_CHARACTERS]] += 1
    return counts


def name_counts(text: str, capitals: list[Token] | None = None) -> dict[str, int]:
    """Counts of the consonant keys of names, and of `#` + digits.

    A name is a token that has a capital inside a sentence and never occurs without one.
    """
    tokens = capitalised_tokens(text) if capitals is None else capitals
    lower = {token for token in TOKEN.findall(text) if token.islower()} | CAPITALISED_WORDS
    inside = {token.text.casefold() for token in tokens if not token.opens_sentence} - lower
    counts: Counter[str] = Counter()
    for token in tokens:
        key = consonant_key(token.text) if token.text.casefold() in inside else ""
        if len(key) >= MIN_CONSONANTS:
            counts[key] += 1
    counts.update(f"#{digits}" for digits in numbers(text) if len(digits) > 1)
    return dict(counts.most_common(MAX_NAMES))


@lru_cache(maxsize=65536)
def consonant_key(name: str) -> str:
    """The consonants of a name in ASCII, the same for all spelling variants: Sergej, Sergei and Сергей have one key."""
    text = anyascii(name).lower()
    for pattern, replacement in CONSONANT_STEPS:
        text = pattern.sub(replacement, text)
    return text

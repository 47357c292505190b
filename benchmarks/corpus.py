"""Makes many distinct articles from a few.

Sentences are drawn again, and names, numbers and words are exchanged. The result is always the same.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
WIKINEWS = SHARED / "data" / "wikinews" / "articles.jsonl"
SEEDS = ROOT / "seeds" / "articles"
SEEDS_GOLD = Path(__file__).with_name("quality") / "seeds-gold.json"
FIRST_PUBLISHED = datetime(2023, 1, 2, tzinfo=UTC)
MINUTES_APART = 3
PUBLISHERS = 12
OWN_SENTENCES = 0.6
"""Share of an article's sentences that come from its main text. The others come from other texts in its language."""
EXCHANGED_NAMES = 0.6
EXCHANGED_WORDS = 0.15
EXCHANGED_WORDS_OF_FEW = 0.5
"""If there are few texts, more words are exchanged. Otherwise everything would be a near-duplicate."""
FEW_TEXTS = 50
LONG_LINE = 400
"""A line of at least this many characters is cut into sentences."""
NAME = re.compile(r"(?<=[^\W\d_][ ,])[^\W\d_a-zß-öø-ÿ][\w'’-]+(?: [^\W\d_a-zß-öø-ÿ][\w'’-]+)*")
NUMBER = re.compile(r"\d+")
YEAR = re.compile(r"(?:19|20)\d\d")
WORD = re.compile(r"\b[a-zß-öø-ÿ]{5,}\b")
SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class SourceText:
    """One text that articles are made from."""

    language: str
    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One article as `dragoman replay` reads it."""

    guid: str
    source_id: str
    content_type: str
    title: str
    content: str
    published_at: str


@dataclass(frozen=True, slots=True)
class Written:
    """The number of articles in a file, and the mean length of their contents in characters."""

    articles: int
    mean_characters: float


@dataclass(frozen=True, slots=True)
class Pool:
    """The sentences and words of one language that texts can borrow from each other."""

    sentences: tuple[str, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(slots=True)
class Exchange:
    """The exchanges of one article. A name or number gets the same replacement everywhere in the article."""

    pool: Pool
    chance: random.Random
    word_share: float
    _names: dict[str, str] = field(default_factory=dict)
    _numbers: dict[str, str] = field(default_factory=dict)

    def apply(self, text: str) -> str:
        """A sentence with other names, numbers and words."""
        text = NAME.sub(lambda match: self._name(match[0]), text)
        text = NUMBER.sub(lambda match: self._number(match[0]), text)
        return WORD.sub(lambda match: self._word(match[0]), text)

    def _name(self, name: str) -> str:
        if name not in self._names:
            other = self.chance.random() < EXCHANGED_NAMES and self.pool.names
            self._names[name] = self.chance.choice(self.pool.names) if other else name
        return self._names[name]

    def _number(self, digits: str) -> str:
        if digits not in self._numbers:
            low = 10 ** (len(digits) - 1) if len(digits) > 1 else 0
            year = YEAR.fullmatch(digits)
            other = self.chance.randint(2000, 2022) if year else self.chance.randrange(low, 10 ** len(digits))
            self._numbers[digits] = str(other)
        return self._numbers[digits]

    def _word(self, word: str) -> str:
        return self.chance.choice(self.pool.words) if self.chance.random() < self.word_share else word


@dataclass(slots=True)
class Corpus:
    """Articles by number. Each article depends only on the sources, the seed and its number."""

    origin: str
    sources: Sequence[SourceText]
    seed: int = 1
    _pools: dict[str, Pool] = field(init=False)

    def __post_init__(self) -> None:
        self._pools = _pools(self.sources)

    def article(self, number: int) -> Line:
        """The article with this number."""
        source = self.sources[number % len(self.sources)]
        chance = random.Random(f"{self.seed}:{number}")
        share = EXCHANGED_WORDS if len(self.sources) >= FEW_TEXTS else EXCHANGED_WORDS_OF_FEW
        exchange = Exchange(self._pools[source.language], chance, share)
        published = FIRST_PUBLISHED + timedelta(minutes=MINUTES_APART * number)
        return Line(
            guid=f"bench-{self.seed}-{number:07d}",
            source_id=f"publisher-{number % PUBLISHERS}",
            content_type="text/plain",
            title=exchange.apply(source.title),
            content="\n".join(exchange.apply(sentence) for sentence in self._drawn(source, chance)),
            published_at=published.isoformat(),
        )

    def _drawn(self, source: SourceText, chance: random.Random) -> list[str]:
        """As many sentences as the source has: some of its own in their order, mixed with sentences of other texts."""
        count = len(source.sentences)
        own = sorted(chance.sample(range(count), max(1, round(count * OWN_SENTENCES))))
        drawn = [source.sentences[index] for index in own]
        for sentence in chance.choices(self._pools[source.language].sentences, k=count - len(own)):
            drawn.insert(chance.randint(1, len(drawn)), sentence)
        return drawn

    def write(self, path: Path, count: int, first: int = 0, *, as_pages: bool = False) -> Written:
        """Write `count` articles from number `first` on as JSON lines, as texts or as web pages."""
        characters = 0
        with path.open("wb") as file:
            for line in self.lines(count, first):
                if as_pages:
                    line = to_page(line)  # noqa: PLW2901 - the same article
                characters += len(line.content)
                file.write(orjson.dumps(asdict(line)) + b"\n")
        return Written(count, characters / max(1, count))

    def lines(self, count: int, first: int = 0) -> Iterator[Line]:
        """`count` articles from number `first` on."""
        return (self.article(number) for number in range(first, first + count))


def to_page(line: Line) -> Line:
    """The same article as a web page of some 60 kB: menus, a list of other articles, scripts and styles around it."""
    title, paragraphs = escape(line.title), "".join(f"<p>{escape(text)}</p>" for text in line.content.split("\n"))
    menu = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in ("news", "world", "sport", "contact"))
    others = "".join(f'<li><a href="/story-{number}">Another story, number {number}</a></li>' for number in range(20))
    script = "".join(f"window.widget{number}={{id:{number},load:()=>{{return {number}}}}};" for number in range(900))
    style = "".join(f".block-{number}{{margin:{number % 9}px;color:#{number:06x}}}" for number in range(500))
    page = (
        f"<!DOCTYPE html><html><head><title>{title}</title><style>{style}</style></head>"
        f"<body><nav><ul>{menu}</ul></nav>"
        f"<main><article><h1>{title}</h1><time datetime='{line.published_at}'></time>{paragraphs}</article></main>"
        f"<aside><h2>More</h2><ul>{others}</ul></aside><footer>All rights reserved</footer>"
        f"<script>{script}</script></body></html>"
    )
    return replace(line, content_type="text/html", content=page)


def open_corpus(seed: int = 1) -> Corpus:
    """A corpus from the Wikinews articles if they exist, otherwise from the seeds of the repository. Languages mix."""
    if not WIKINEWS.exists():
        return Corpus("seeds", read_seeds(), seed)
    sources = read_wikinews(WIKINEWS)
    random.Random(seed).shuffle(sources)
    return Corpus("wikinews", sources, seed)


def read_wikinews(path: Path) -> list[SourceText]:
    """The texts of a file of JSON lines {lang, title, text}, one sentence per line."""
    with path.open("rb") as file:
        articles = [orjson.loads(line) for line in file if line.strip()]
    return [SourceText(article["lang"], article["title"], _sentences(article["text"])) for article in articles]


def read_seeds() -> list[SourceText]:
    """The seed articles. The first line of a text is its title."""
    documents = json.loads(SEEDS_GOLD.read_text(encoding="utf8"))["docs"]
    texts = []
    for path in sorted(SEEDS.iterdir()):
        sentences = _sentences(path.read_text(encoding="utf8"))
        texts.append(SourceText(documents[path.name]["lang"], sentences[0], sentences[1:]))
    return texts


def _sentences(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    cut = [SENTENCE.split(line) if len(line) > LONG_LINE else [line] for line in lines]
    return tuple(sentence for sentences in cut for sentence in sentences)


def _pools(sources: Sequence[SourceText]) -> dict[str, Pool]:
    by_language: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        by_language[source.language] += source.sentences
    return {
        language: Pool(tuple(sentences), _distinct(NAME, sentences), _distinct(WORD, sentences))
        for language, sentences in by_language.items()
    }


def _distinct(pattern: re.Pattern[str], sentences: Sequence[str]) -> tuple[str, ...]:
    """Everything that a pattern finds, without repetitions, in order of appearance."""
    return tuple(dict.fromkeys(match[0] for sentence in sentences for match in pattern.finditer(sentence)))

"""The forms of an article in the pipeline: raw, between stages, enriched, grouped."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints

from schemas.base import ArticleId, Record, Sha256, ShortText, Timestamp, Url

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Milliseconds = Annotated[float, Field(ge=0.0)]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
"""A BCP 47 tag, or `und` if the language is unknown."""


Revision = Annotated[int, Field(ge=1, lt=2**43)]
"""A Unix second. With 20 bits for the decision it fits into Elasticsearch's 63-bit versions."""


DECISIONS = 2**20
"""Decisions that one revision can have in document versions: `revision * DECISIONS + decision_seq`."""
DecisionNumber = Annotated[int, Field(ge=0, lt=DECISIONS)]


class ContentType(StrEnum):
    """The format of `content`."""

    TEXT = "text/plain"
    HTML = "text/html"


class DateSource(StrEnum):
    """Where a date was stated."""

    HEADER = "header"
    TEXT = "text"
    FEED = "feed"
    HTML = "html"
    NONE = "none"


class EventSource(StrEnum):
    """Where the time of the event comes from, the most trusted first.

    The article states it, its feed has it, its source declares it, or nobody says so and it is the time of the fetch.
    """

    STATED = "stated"
    FEED = "feed"
    DECLARED = "declared"
    FETCHED = "fetched"


class DatePrecision(StrEnum):
    """The precision of a stated date."""

    DAY = "day"
    SECOND = "second"


class EntityType(StrEnum):
    """The kinds of entity that the gazetteer knows."""

    PERSON = "PER"
    ORGANISATION = "ORG"
    LOCATION = "LOC"


class DeclaredBy(StrEnum):
    """Where a claim comes from: the entry, its feed, the page, a file, a push, or the user's feeds.yaml."""

    ENTRY = "entry"
    FEED = "feed"
    PAGE = "page"
    FILE = "file"
    PUSH = "push"
    CONFIGURATION = "configuration"


class DeclaredValue(Record):
    """A value that the source claims, as it was written. It is a hint."""

    value: ShortText
    source: DeclaredBy


class DeclaredDate(Record):
    """A date that the source claims, and its kind according to the source (`published`, `updated`, `archived`)."""

    kind: ShortText
    at: Timestamp
    source: DeclaredBy


class Declared(Record):
    """What the source says about an article, apart from its text. These are unchecked hints, each with its origin."""

    languages: tuple[DeclaredValue, ...] = ()
    dates: tuple[DeclaredDate, ...] = ()
    authors: tuple[DeclaredValue, ...] = ()
    tags: tuple[DeclaredValue, ...] = ()


class Article(Record):
    """The fields of every form of an article. They do not change between producer and index."""

    schema_version: Literal[2] = 2
    article_id: ArticleId
    source_id: ShortText = Field(description="publisher or folder that the article came from")
    feeds: tuple[ShortText, ...] = Field(default=(), description="every feed that contained it")
    url: Url | None = None
    guid: ShortText | None = Field(default=None, description="the source's own id, or the path inside the folder")
    content_type: ContentType = Field(description="the format of the raw content")
    declared_language: LanguageCode | None = Field(default=None, description="what the source claims")
    declared: Declared = Field(default=Declared(), description="languages, dates, authors and tags as claimed")
    fetched_at: Timestamp
    content_hash: Sha256 = Field(description="of content, title, url, published_at and declared_language")
    revision: Revision = Field(description="Unix second at which the producer first saw this content")
    enrichment: NonNegativeInt = Field(
        default=0, description="0, or the Unix second of the `reenrich` that asked for this enrichment"
    )
    replaces: tuple[ArticleId, ...] = Field(
        default=(), description="earlier ids of this article; what was stored under them goes when this is indexed"
    )


class RawArticle(Article):
    """What the producer writes to `articles.raw`. All values are as the source states them."""

    content: str = Field(min_length=1, description="as fetched: decoded, but not changed otherwise")
    title: str | None = None
    published_at: Timestamp | None = None


class StatedDate(Record):
    """One date that was stated for the article, with the words that state it."""

    at: Timestamp
    source: DateSource
    precision: DatePrecision
    matched: str
    order: str | None = Field(
        default=None,
        description="what decided which number is the day and which the month, if both orders were possible",
    )


class RejectedDate(Record):
    """Words that state a date that was rejected, and the reason."""

    matched: str
    reason: str


class RawPlace(Record):
    """Where the raw article is: its message on Kafka while that is kept, and the hash of its content for ever."""

    topic: ShortText
    partition: NonNegativeInt
    offset: NonNegativeInt
    sha256: Sha256 = Field(description="of the UTF-8 bytes of `content`")


class Extracted(Record):
    """The readable text, and what the markup says about it."""

    text: str = Field(min_length=1)
    is_cut: bool = Field(default=False, description="true if the text was longer than the limit")
    title: str | None = None
    dates: tuple[StatedDate, ...] = ()
    byline: str | None = None
    repairs: tuple[ShortText, ...] = Field(default=(), description="damaged characters that were repaired")


class LanguageScore(Record):
    """One candidate language."""

    code: LanguageCode
    confidence: Probability


class LanguageShare(Record):
    """One language of a mixed text, and the share of the letters that are in it."""

    code: LanguageCode
    share: Probability


class Language(Record):
    """The language of the text, or `und` instead of a guess.

    `confidence` is calibrated: it is the share of answers with this confidence that are correct.
    """

    code: LanguageCode
    confidence: Probability
    alternatives: tuple[LanguageScore, ...] = ()
    mixed: tuple[LanguageShare, ...] = Field(
        default=(), description="the languages of a text in several languages, largest share first"
    )
    translated: bool = Field(default=False, description="true if the text says that it is a translation")


class RemovedLine(Record):
    """A line of the extracted text that is no part of the article, and the rule that removed it.

    `before` is the number of the line of `text` in front of which it stood, counted from 0. For a line behind the text
    it is the number of lines.
    """

    before: NonNegativeInt
    rule: ShortText
    text: str


class LineLanguage(Record):
    """A line of `text`, counted from 0, in another language than the text."""

    line: NonNegativeInt
    language: LanguageCode


class Normalized(Record):
    """The clean text, and what the lines around it stated (agency, byline, dates)."""

    title: str | None
    text: str = Field(min_length=1)
    removed: tuple[RemovedLine, ...] = ()
    agency: ShortText | None = None
    byline: ShortText | None = None
    dates: tuple[StatedDate, ...] = ()
    rejected_dates: tuple[RejectedDate, ...] = ()


class MentionKind(StrEnum):
    """How a mention names an entity: a full or known name, a family name, or a description that follows a name."""

    NAME = "name"
    FAMILY_NAME = "family name"
    DESCRIPTION = "description"


class Mention(Record):
    """Where an entity is named. The offsets count code points in `field`."""

    field: Literal["title", "text"]
    start: NonNegativeInt
    end: PositiveInt
    surface: str
    kind: MentionKind = MentionKind.NAME


class Candidate(Record):
    """An entity that a name might mean."""

    id: ShortText
    name: str
    score: Probability


class Unlinked(Record):
    """A known spelling that was not linked, and the reason. The offsets count code points in `field`."""

    field: Literal["title", "text"]
    start: NonNegativeInt
    end: PositiveInt
    surface: str
    reason: Literal["ambiguous", "no evidence", "adjective", "part of another name"]
    candidates: tuple[Candidate, ...] = ()


class Entity(Record):
    """A linked entity with its evidence."""

    id: ShortText = Field(description="Q… (Wikidata), geonames:… or name:…")
    type: EntityType
    name: str
    country: str | None = Field(default=None, description="ISO 3166-1 alpha-2")
    prominence: Probability = Field(
        description="how often it is in the news; grouping gives prominent entities less weight"
    )
    score: Probability
    reasons: tuple[str, ...]
    mentions: tuple[Mention, ...] = Field(min_length=1)


class Place(Record):
    """A location with coordinates in WGS 84 degrees."""

    id: ShortText
    name: str
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class KeyFlag(IntEnum):
    """The kind of a key of an article, and whether it is in the lede. The values are bits of one byte.

    It is no `IntFlag`, whose `|` and `&` make an object of the class and take ten times as long.
    """

    LEDE = 1
    NUMBER = 4
    ENTITY = 8
    ALWAYS_IN_THE_NEWS = 16


class Keys(Record):
    """The names, numbers and entities of an article, which grouping matches across languages.

    All fields are in the same order. `hashes` are distinct little-endian uint32. `counts` and `flags` (`KeyFlag`) have
    one byte for each key.
    """

    hashes: bytes
    counts: bytes
    flags: bytes
    labels: tuple[str, ...] = Field(description="the key for readers: a name, a number, or `name (entity id)`")


class Fingerprint(Record):
    """What grouping needs of one article beside its title and text, from which dedup takes words and word bigrams.

    Hashes are distinct little-endian uint32.
    """

    facts: tuple[str, ...] = Field(description="numbers, and capitalised tokens inside sentences")
    terms: bytes = Field(description="hashes of word stems, different for each language")
    term_counts: bytes = Field(description="one byte for each term: its count")
    term_flags: bytes = Field(description="one byte for each term: `KeyFlag.LEDE` or 0")
    keys: Keys


class ArticleDraft(RawArticle):
    """An article between two stages. Fields of later stages are empty."""

    raw: RawPlace | None = None
    extracted: Extracted | None = None
    language: Language | None = None
    normalized: Normalized | None = None
    entities: tuple[Entity, ...] | None = None
    unlinked: tuple[Unlinked, ...] = ()
    places: tuple[Place, ...] = ()
    fingerprint: Fingerprint | None = None
    embedding: bytes | None = None
    stage_versions: dict[str, str] = Field(default_factory=dict)
    stages: dict[str, Milliseconds] = Field(default_factory=dict)


class Readable(Article):
    """The results of enrichment, which the enriched and the grouped article share."""

    raw: RawPlace | None = Field(default=None, description="where the raw article is; absent if it came from a file")
    title: str | None
    headline: ShortText = Field(description="the title, or the beginning of the text")
    text: str = Field(min_length=1, description="the clean text; each line is a paragraph")
    text_is_cut: bool = Field(default=False, description="true if the text was longer than the limit")
    removed: tuple[RemovedLine, ...] = Field(default=(), description="the lines that the normalizer removed, in order")
    line_languages: tuple[LineLanguage, ...] = Field(default=(), description="lines of a text in several languages")
    words: NonNegativeInt = Field(description="number of words of the text")
    agency: ShortText | None = None
    byline: ShortText | None = None
    published_at: Timestamp | None
    published_at_source: DateSource
    published_at_precision: DatePrecision | None = None
    event_at: Timestamp = Field(description="the time to sort by: stated, else of the feed, declared, or fetched")
    event_at_source: EventSource
    enriched_at: Timestamp | None = None
    dates: tuple[StatedDate, ...] = Field(default=(), description="every stated date, also dates that disagree")
    rejected_dates: tuple[RejectedDate, ...] = Field(
        default=(), description="dates that were stated but rejected, with the reason"
    )
    repairs: tuple[ShortText, ...] = Field(default=(), description="damaged characters that were repaired")
    language: Language
    entities: tuple[Entity, ...]
    unlinked: tuple[Unlinked, ...] = Field(
        default=(), description="known spellings that were not linked, with the reason"
    )
    places: tuple[Place, ...] = ()
    embedding: bytes | None = Field(
        default=None,
        min_length=512,
        max_length=512,
        description="vector of title and lede: 512 int8, L2-normalised × 127",
    )
    stage_versions: dict[str, str]
    stages: dict[str, Milliseconds] = Field(default_factory=dict, description="milliseconds that each stage took")


class EnrichedArticle(Readable):
    """What the worker writes to `articles.enriched`."""

    fingerprint: Fingerprint


class DuplicateLevel(StrEnum):
    """How similar a near-duplicate is."""

    COPY = "copy"
    REWRITE = "rewrite"


class DuplicateReason(Record):
    """The figures behind the decision on a near-duplicate."""

    level: DuplicateLevel
    shingle_containment: Probability
    word_containment: Probability
    shared_facts: NonNegativeInt
    missing_facts: NonNegativeInt
    shared: tuple[str, ...] = Field(default=(), description="some of the shared numbers and names")
    missing: tuple[str, ...] = Field(default=(), description="some that only one of the two articles has")


class DuplicateLink(Record):
    """Another article with much of the same text, of which this one is not a duplicate.

    An article that was made of two others has a link to the second one.
    """

    article_id: ArticleId
    shingle_containment: Probability


class ScorePart(Record):
    """One feature of a pair: its value, and its contribution to the score."""

    feature: ShortText
    value: float
    score: float


class StoryReason(Record):
    """Why an article joined its story or opened one. The figures compare it with the nearest article that was found."""

    opened: bool
    nearest: ArticleId | None = Field(default=None, description="the article that the figures compare with")
    shared: tuple[str, ...] = Field(default=(), description="shared names and entities with the most weight")
    numbers: tuple[str, ...] = Field(default=(), description="shared numbers")
    cosine: Annotated[float, Field(ge=-1.0001, le=1.0001)] | None = Field(
        default=None, description="cosine of the vectors; absent if one article has no vector"
    )
    gap_days: Annotated[float, Field(ge=0)] | None = None
    parts: tuple[ScorePart, ...] = Field(
        default=(), description="the contribution of each feature to the score of the pair"
    )
    threshold: float | None = None
    runner_up: ArticleId | None = Field(default=None, description="the story with the next best score")
    runner_up_score: float | None = None
    margin: float | None = Field(
        default=None, description="the lead over the runner-up, or how much was missing to join a story"
    )
    vetoes: tuple[str, ...] = Field(default=(), description="why a story with a sufficient score was not chosen")
    moved_by: str | None = Field(
        default=None, description="what moved it here regardless of the score: an edit, or a merge of two stories"
    )


class GroupedArticle(Readable):
    """What dedup writes to `articles.grouped`. The indexer writes it to the index."""

    duplicate_of: ArticleId | None = None
    duplicate_score: Probability | None = None
    duplicate_reason: DuplicateReason | None = None
    duplicate_group: ArticleId = Field(
        description="the first article of the group; search shows one article for each group"
    )
    duplicate_links: tuple[DuplicateLink, ...] = Field(
        default=(), description="other articles with much of the same text"
    )
    supersedes: ArticleId | None = Field(default=None, description="the earlier version of the same agency text")
    story_id: ArticleId
    story_score: float
    story_reason: StoryReason
    grouped_at: Timestamp | None = Field(default=None, description="when dedup first decided on this revision")
    grouping_version: PositiveInt
    decision_seq: DecisionNumber

    @property
    def document_version(self) -> int:
        """The external version for Elasticsearch: first the revision, then the decision."""
        return self.revision * DECISIONS + self.decision_seq

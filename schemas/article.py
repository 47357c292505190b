"""An article on its way: raw, in work, enriched, grouped."""

from __future__ import annotations

from enum import IntFlag, StrEnum
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints

from schemas.base import ArticleId, Record, Sha256, ShortText, Timestamp, Url

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
"""A BCP 47 tag; `und` when nobody can tell."""


Revision = Annotated[int, Field(ge=1, lt=2**43)]
"""A Unix second; with 20 bits of decision it stays inside Elasticsearch's 63-bit versions."""


class ContentType(StrEnum):
    """What `content` holds."""

    TEXT = "text/plain"
    HTML = "text/html"


class DateSource(StrEnum):
    """Where a date was stated."""

    HEADER = "header"
    TEXT = "text"
    FEED = "feed"
    HTML = "html"
    NONE = "none"


class DatePrecision(StrEnum):
    """How exactly a date was stated."""

    DAY = "day"
    SECOND = "second"


class EntityType(StrEnum):
    """The kinds of entity that the gazetteer knows."""

    PERSON = "PER"
    ORGANISATION = "ORG"
    LOCATION = "LOC"


class DeclaredBy(StrEnum):
    """Who said it: the entry itself, the feed around it, the page, a file, a push, or the user's feeds.yaml."""

    ENTRY = "entry"
    FEED = "feed"
    PAGE = "page"
    FILE = "file"
    PUSH = "push"
    CONFIGURATION = "configuration"


class DeclaredValue(Record):
    """Something the source claims: a hint, as it was written."""

    value: ShortText
    source: DeclaredBy


class DeclaredDate(Record):
    """A date that the source claims, and what it claims it to be (`published`, `updated`, `archived`)."""

    kind: ShortText
    at: Timestamp
    source: DeclaredBy


class Declared(Record):
    """What the source says of an article beside its text. Hints, each with its source; nothing here is checked."""

    languages: tuple[DeclaredValue, ...] = ()
    dates: tuple[DeclaredDate, ...] = ()
    authors: tuple[DeclaredValue, ...] = ()
    tags: tuple[DeclaredValue, ...] = ()


class Article(Record):
    """What every form of an article carries unchanged from the edge to the index."""

    schema_version: Literal[1] = 1
    article_id: ArticleId
    source_id: ShortText = Field(description="publisher or folder the article came from")
    feeds: tuple[ShortText, ...] = Field(default=(), description="every feed that carried it")
    url: Url | None = None
    guid: ShortText | None = Field(default=None, description="the source's own id, or the path inside the folder")
    content_type: ContentType
    content: str = Field(min_length=1, description="as fetched, decoded, otherwise untouched")
    declared_language: LanguageCode | None = Field(default=None, description="what the source claims")
    declared: Declared = Field(default=Declared(), description="languages, dates, authors and tags as claimed")
    fetched_at: Timestamp
    content_hash: Sha256 = Field(description="of content, title, url, published_at and declared_language")
    revision: Revision = Field(description="Unix second at which the producer first saw this content")


class RawArticle(Article):
    """What the producer puts on `articles.raw`: as stated by the source."""

    title: str | None = None
    published_at: Timestamp | None = None


class StatedDate(Record):
    """One date that somebody stated for the article, with the words that state it."""

    at: Timestamp
    source: DateSource
    precision: DatePrecision
    matched: str
    order: str | None = Field(default=None, description="what decided between day and month, where both were possible")


class RejectedDate(Record):
    """Words that state a date which is not believed, and why."""

    matched: str
    reason: str


class Extracted(Record):
    """Readable text and what the markup says of it."""

    text: str = Field(min_length=1)
    title: str | None = None
    dates: tuple[StatedDate, ...] = ()
    byline: str | None = None
    repairs: tuple[ShortText, ...] = Field(default=(), description="damage that was mended in the characters")


class LanguageScore(Record):
    """One candidate language."""

    code: LanguageCode
    confidence: Probability


class LanguageShare(Record):
    """One of the languages of a mixed text, and how much of its letters are in it."""

    code: LanguageCode
    share: Probability


class Language(Record):
    """The language of the text; `und` rather than a guess. `confidence` is the share of such answers that are right."""

    code: LanguageCode
    confidence: Probability
    alternatives: tuple[LanguageScore, ...] = ()
    mixed: tuple[LanguageShare, ...] = Field(default=(), description="languages of a text in several, largest first")
    translated: bool = Field(default=False, description="whether the text says that it is a translation")


class Paragraph(Record):
    """One line of the extracted text, kept or dropped, and by which rule it was dropped."""

    text: str
    kept: bool
    reason: str | None = None
    language: LanguageCode | None = Field(default=None, description="where it is another than the text's")


class Normalized(Record):
    """Clean text and what its furniture stated."""

    title: str | None
    text: str = Field(min_length=1)
    paragraphs: tuple[Paragraph, ...]
    agency: ShortText | None = None
    byline: ShortText | None = None
    dates: tuple[StatedDate, ...] = ()
    rejected_dates: tuple[RejectedDate, ...] = ()


class MentionKind(StrEnum):
    """How an entity is named: by a full or known name, a part of one, or in other words after it."""

    NAME = "name"
    FAMILY_NAME = "family name"
    DESCRIPTION = "description"


class Mention(Record):
    """Where an entity is named; offsets are code points into `field`."""

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
    """A known spelling that was not linked, and why; offsets are code points into `field`."""

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
    prominence: Probability = Field(description="how much it is always in the news; grouping damps it")
    score: Probability
    reasons: tuple[str, ...]
    mentions: tuple[Mention, ...] = Field(min_length=1)


class Place(Record):
    """A location with coordinates, WGS 84 degrees."""

    id: ShortText
    name: str
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class KeyFlag(IntFlag):
    """What a key of an article is, and where it stands."""

    LEDE = 1
    NUMBER = 4
    ENTITY = 8
    ALWAYS_IN_THE_NEWS = 16


class Keys(Record):
    """Names, numbers and entities of an article: what grouping matches across languages. All parts are in one order.

    `hashes` are little-endian uint32, distinct; `counts` and `flags` (`KeyFlag`) have a byte each.
    """

    hashes: bytes
    counts: bytes
    flags: bytes
    labels: tuple[str, ...] = Field(description="as a reader would name it: a name, a number, `name (entity id)`")


class Fingerprint(Record):
    """All that grouping needs of one article, so that the lane only weighs and compares.

    Hashes are little-endian uint32 and distinct; those of `shingles` and `words` are sorted.
    """

    shingles: bytes = Field(description="hashes of word bigrams")
    words: bytes = Field(description="hashes of words")
    facts: tuple[str, ...] = Field(description="numbers, and capitalised tokens inside sentences")
    terms: bytes = Field(description="hashes of word stems of one language")
    term_counts: bytes = Field(description="a byte each: how often")
    term_flags: bytes = Field(description="a byte each: `KeyFlag.LEDE` or nothing")
    keys: Keys


class ArticleDraft(RawArticle):
    """An article between two stages: what is there already, and nothing invented for the rest."""

    extracted: Extracted | None = None
    language: Language | None = None
    normalized: Normalized | None = None
    entities: tuple[Entity, ...] | None = None
    unlinked: tuple[Unlinked, ...] = ()
    places: tuple[Place, ...] = ()
    fingerprint: Fingerprint | None = None
    embedding: bytes | None = None
    stage_versions: dict[str, str] = Field(default_factory=dict)


class Readable(Article):
    """What enrichment found; shared by the enriched and the grouped article."""

    title: str | None
    text: str = Field(min_length=1)
    paragraphs: tuple[Paragraph, ...]
    agency: ShortText | None = None
    byline: ShortText | None = None
    published_at: Timestamp | None
    published_at_source: DateSource
    published_at_precision: DatePrecision | None = None
    dates: tuple[StatedDate, ...] = Field(default=(), description="every date stated, also those that disagree")
    rejected_dates: tuple[RejectedDate, ...] = Field(default=(), description="stated and not believed, with the reason")
    repairs: tuple[ShortText, ...] = Field(default=(), description="damage that was mended in the characters")
    language: Language
    entities: tuple[Entity, ...]
    unlinked: tuple[Unlinked, ...] = Field(default=(), description="known spellings that were not linked, and why")
    places: tuple[Place, ...] = ()
    embedding: bytes | None = Field(
        default=None, min_length=512, max_length=512, description="512 int8: title and lede, L2-normalised × 127"
    )
    stage_versions: dict[str, str]


class EnrichedArticle(Readable):
    """What the worker puts on `articles.enriched`."""

    fingerprint: Fingerprint


class DuplicateLevel(StrEnum):
    """How near a near-duplicate is."""

    COPY = "copy"
    REWRITE = "rewrite"


class DuplicateReason(Record):
    """The figures behind a duplicate."""

    level: DuplicateLevel
    shingle_containment: Probability
    word_containment: Probability
    shared_facts: NonNegativeInt
    missing_facts: NonNegativeInt
    shared: tuple[str, ...] = Field(default=(), description="some of the shared numbers and names")
    missing: tuple[str, ...] = Field(default=(), description="some that only one of the two has")


class DuplicateLink(Record):
    """Another article that this one shares much text with, though it is no duplicate of it: a splice has two."""

    article_id: ArticleId
    shingle_containment: Probability


class ScorePart(Record):
    """One feature of a pair: its value, and what it added to the score."""

    feature: ShortText
    value: float
    score: float


class StoryReason(Record):
    """Why an article joined its story, or that it opened one; always against the nearest article that was found."""

    opened: bool
    nearest: ArticleId | None = Field(default=None, description="the article that the figures here are against")
    shared: tuple[str, ...] = Field(default=(), description="heaviest shared names and entities")
    numbers: tuple[str, ...] = Field(default=(), description="shared numbers")
    cosine: Annotated[float, Field(ge=-1.0001, le=1.0001)] | None = Field(
        default=None, description="of the vectors; absent where one has none"
    )
    gap_days: Annotated[float, Field(ge=0)] | None = None
    parts: tuple[ScorePart, ...] = Field(default=(), description="the pair's score, feature by feature")
    threshold: float | None = None
    runner_up: ArticleId | None = Field(default=None, description="the story that came next")
    runner_up_score: float | None = None
    margin: float | None = Field(default=None, description="by how much the runner-up lost, or a story was missed")
    vetoes: tuple[str, ...] = Field(default=(), description="why a story was not taken that scored enough")
    moved_by: str | None = Field(
        default=None, description="what brought it here against or after the score: a person, a merge of two stories"
    )


class GroupedArticle(Readable):
    """What the lane puts on `articles.grouped`, and what is indexed."""

    duplicate_of: ArticleId | None = None
    duplicate_score: Probability | None = None
    duplicate_reason: DuplicateReason | None = None
    duplicate_group: ArticleId = Field(description="the first article of the group: search folds on it")
    duplicate_links: tuple[DuplicateLink, ...] = Field(default=(), description="others it shares much text with")
    supersedes: ArticleId | None = Field(default=None, description="the earlier version of an agency's text")
    story_id: ArticleId
    story_score: float
    story_reason: StoryReason
    grouping_version: PositiveInt
    decision_seq: Annotated[int, Field(ge=0, lt=2**20)]

    @property
    def document_version(self) -> int:
        """Elasticsearch's external version: revision first, then decision."""
        return self.revision * 2**20 + self.decision_seq

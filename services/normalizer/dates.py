"""The date that a line states for its article; never one of an event, never a guess."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import dateparser

from schemas.article import DatePrecision, DateSource, StatedDate
from services.normalizer.rules import DATE_LABEL

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FUTURE_TOLERANCE = timedelta(days=2)
MAX_CANDIDATE = 48
"""Characters of the longest date we read; more is a sentence."""
MONTH_FIRST_POSSIBLE = frozenset({"en", "fil", "und"})
"""Languages in which 03/04/2021 may be March 4: there an ambiguous number date is no date."""
DATEPARSER_LANGUAGES = frozenset(
    [
        "ar",
        "be",
        "bg",
        "bn",
        "ca",
        "cs",
        "da",
        "de",
        "el",
        "en",
        "es",
        "et",
        "eu",
        "fa",
        "fi",
        "fil",
        "fr",
        "gl",
        "he",
        "hi",
        "hr",
        "hu",
        "id",
        "it",
        "ja",
        "ka",
        "ko",
        "lt",
        "lv",
        "mk",
        "ms",
        "nl",
        "no",
        "pl",
        "pt",
        "ro",
        "ru",
        "sk",
        "sl",
        "sq",
        "sr",
        "sv",
        "th",
        "tr",
        "uk",
        "ur",
        "vi",
        "zh",
    ]
)

ISO = r"\d{4}-\d{1,2}-\d{1,2}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
LABELLED_LINE = re.compile(rf"^\W*(?:{DATE_LABEL})\s*[:：]?\s*(?P<date>\S.{{4,{MAX_CANDIDATE}}})$", re.IGNORECASE)
GLUED_HEADER = re.compile(rf"^\s*(?:date|datum|fecha|data|дата)\s*:?\s+(?P<date>{ISO})(?=\s|$)", re.IGNORECASE)
"""` date 2022-02-04 China and Russia …`: a scraper's header in front of the first sentence."""
YEAR_FIRST = re.compile(r"^(?P<y>\d{4})[-/.年]\s?(?P<m>\d{1,2})[-/.月]\s?(?P<d>\d{1,2})日?(?P<rest>.*)$", re.DOTALL)
YEAR_LAST = re.compile(r"^(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<y>\d{4})(?P<rest>.*)$", re.DOTALL)
TIME = re.compile(
    r"^[\sT,|·-]*(?:(?:at|om|um|à|a las|alle|às|в|о|kl\.?|saat)\s+)?(?P<h>\d{1,2})[:.h時时点](?P<mi>\d{2})"
    r"(?:[:.分](?P<s>\d{2}))?"
    r"(?:\.\d+)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?\s*(?:h|uur|uhr|分)?\W*$",
    re.IGNORECASE,
)
YEAR = re.compile(r"\b(?:19|20)\d{2}\b|\d{4}年")


def glued_header(line: str) -> tuple[str, str] | None:
    """The date in front of a first line and the rest of that line."""
    match = GLUED_HEADER.match(line)
    return (match["date"], line[match.end() :].strip()) if match else None


def labelled(line: str) -> str | None:
    """The date's words in a line such as `Plaatsingstijd: 19-03-2021`."""
    match = LABELLED_LINE.match(line.strip())
    return match["date"].strip() if match and YEAR.search(match["date"]) else None


def is_bare_date(line: str) -> bool:
    """Whether a whole line may be nothing but a date."""
    text = line.strip()
    return len(text) <= MAX_CANDIDATE and bool(YEAR.search(text)) and sum(c.isdigit() for c in text) >= 5


@lru_cache(maxsize=4096)
def read_date(words: str, language: str) -> tuple[datetime, DatePrecision] | None:
    """The instant that some words state, midnight UTC for a day; None when they state none or an ambiguous one."""
    text = words.strip().strip("()[]|·–—-.,;")
    numeric = _year_first(text) or _year_last(text, language)
    if numeric:
        return numeric
    if YEAR_FIRST.match(text) or YEAR_LAST.match(text):
        return None
    return _in_words(text, language)


def stated(words: str, language: str, source: DateSource, fetched_at: datetime) -> StatedDate | None:
    """A plausible date as a record; None outside [1990, fetched + 2 days]."""
    found = read_date(words, language)
    if found is None or not is_plausible(found[0], fetched_at):
        return None
    return StatedDate(at=found[0], source=source, precision=found[1], matched=words.strip())


def is_plausible(at: datetime, fetched_at: datetime) -> bool:
    """Whether a publication date can be true of an article fetched then."""
    return EARLIEST <= at <= fetched_at + FUTURE_TOLERANCE


def _year_first(text: str) -> tuple[datetime, DatePrecision] | None:
    match = YEAR_FIRST.match(text)
    return _assemble(int(match["y"]), int(match["m"]), int(match["d"]), match["rest"]) if match else None


def _year_last(text: str, language: str) -> tuple[datetime, DatePrecision] | None:
    match = YEAR_LAST.match(text)
    if match is None:
        return None
    first, second, year = int(match["a"]), int(match["b"]), int(match["y"])
    ambiguous = first <= 12 and second <= 12 and first != second
    if ambiguous and language in MONTH_FIRST_POSSIBLE and text[len(match["a"])] != ".":
        return None
    month_first = second > 12 and language in MONTH_FIRST_POSSIBLE
    day, month = (second, first) if month_first else (first, second)
    return _assemble(year, month, day, match["rest"])


def _assemble(year: int, month: int, day: int, rest: str) -> tuple[datetime, DatePrecision] | None:
    try:
        at = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    if not rest.strip(" .,|·"):
        return at, DatePrecision.DAY
    time = TIME.match(rest)
    if time is None:
        return None
    try:
        at = at.replace(hour=int(time["h"]), minute=int(time["mi"]), second=int(time["s"] or 0))
    except ValueError:
        return None
    zone = time["zone"]
    if zone and zone[0] in "+-":
        sign = -1 if zone[0] == "+" else 1
        at += sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return (at, DatePrecision.SECOND) if zone else (at.replace(hour=0, minute=0, second=0), DatePrecision.DAY)


def _in_words(text: str, language: str) -> tuple[datetime, DatePrecision] | None:
    """`19 maart 2021`, `March 19, 2021`: dateparser, told the language and to want day, month and year."""
    base = language.split("-", maxsplit=1)[0]
    if not YEAR.search(text) or len(text) > MAX_CANDIDATE:
        return None
    languages = [base] if base in DATEPARSER_LANGUAGES else ["en"]
    try:
        found = dateparser.parse(
            text,
            languages=languages,
            settings={
                "REQUIRE_PARTS": ["day", "month", "year"],
                "STRICT_PARSING": True,
                "RETURN_AS_TIMEZONE_AWARE": True,
                "TIMEZONE": "UTC",
                "PARSERS": ["absolute-time"],
            },
        )
    except (ValueError, OverflowError, RecursionError):
        return None
    if found is None:
        return None
    return found.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0), DatePrecision.DAY

"""Finds the date that a line states for its article. It never returns the date of an event, and it never guesses.

The search uses the month names of the article's language. The rest of the line decides whether the date is that of the
article: it may only contain labels, weekdays and times, or names of sections and people.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from schemas.article import DatePrecision, DateSource, RejectedDate, StatedDate
from services.common.derived import EARLIEST, FUTURE_TOLERANCE
from services.normalizer.agencies import AGENCY

DATA = Path(__file__).with_name("data")
MONTH_FIRST_POSSIBLE = frozenset({"en", "fil", "und"})
"""Languages in which 03/04/2021 may be March 4. In these languages an ambiguous numeric date is not a date."""
MAX_LINE = 160
"""Maximum number of characters in a line that is searched for a date."""
MAX_SECTION_WORDS = 6
"""Maximum number of words in the name of a section or a person beside a date."""
MAX_GLUED = 70
"""Number of characters at the beginning of a sentence that may contain the date of a scraper."""
HAS_YEAR = re.compile(r"\d{4}|\d[./-]\s?\d{2}(?!\d)|令和")
HAS_EASTERN = re.compile(r"[٠-٩۰-۹०-९০-৯０-９İ]")
EASTERN_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९০১২৩৪৫৬৭৮৯０１２３４５６７８９İ", "0123456789" * 5 + "i")
REIWA = 2018
"""Year 0 of the Japanese era Reiwa, which began in 2019."""

ZONE = r"(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2})\b"
ISO = re.compile(
    r"(?<![\d.,/-])(?P<y>\d{4})\s?[-/.年년]\s?(?P<m>\d{1,2})\s?[-/.月월]\s?(?P<d>\d{1,2})\s?(?:[日일]|\.(?!\d))?(?![\d/-])"
)
ERA = re.compile(r"令和\s?(?P<y>\d{1,2}|元)年\s?(?P<m>\d{1,2})月\s?(?P<d>\d{1,2})日")
NUMBERS = re.compile(
    r"(?<![\d.,/-])(?P<a>\d{1,2})\s?(?P<sep>[-/.])\s?(?P<b>\d{1,2})\s?(?P=sep)\s?(?P<y>\d{4}|\d{2})(?![\d/-])"
)
WORD = r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u064b-\u0652\u0900-\u0963.'’/])*"
MONTH_WORDS = rf"{WORD}(?:\s(?:الأول|الثاني|اول|ثاني))?"
DAY_FIRST = re.compile(
    rf"(?<![\d.,/:-])(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|º|ª|°|-?го|-?е)?\.?[\s-]{{0,2}}(?:de\s|di\s|of\s|d['’]\s?|ta['’]\s)?"
    rf"(?P<month>{MONTH_WORDS})[.,]?[\s-]{{0,2}}(?:de\s|del\s|of\s|di\s|da\s)?,?\s?(?P<y>\d{{4}})(?!\d)"
)
MONTH_FIRST = re.compile(
    rf"(?<!\w)(?P<month>{WORD})\.?\s(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?,?\s(?:at\s)?(?P<y>\d{{4}})(?!\d)"
)
YEAR_FIRST_WORDS = re.compile(
    rf"(?<![\d.,/-])(?P<y>\d{{4}})(?:\.|\sm\.|\s?,)?\s(?:gada\s|óta\s)?(?P<month>{WORD})\s(?P<d>\d{{1,2}})(?:\.|\sd\.|\b)"
)
VIETNAMESE = re.compile(r"(?<!\d)(?P<d>\d{1,2})\s+tháng\s+(?P<m>\d{1,2})(?:,|\snăm)?\s+(?P<y>\d{4})(?!\d)")
TIME = re.compile(
    r"(?<![\d/-])(?:t\s?)?(?P<h>[01]?\d|2[0-4])\s?(?:[:.h時时点시]|\buhr\b)\s?(?P<mi>[0-5]\d)?\s?(?:[:.分분]\s?(?P<s>[0-5]\d))?(?:\.\d+)?\s?[分分]?"
    rf"(?:\s?(?:am|pm|a\.m\.|p\.m\.))?(?:\s?{ZONE})?(?![\d/-])"
)
TIME_BEHIND = re.compile(rf"[\s,t]{{0,3}}{TIME.pattern}")
"""A time directly behind a date."""
HOUR_WITH_HALF = re.compile(r"(?<![\d/-])\d{1,2}\s?(?:am|pm|a\.m\.|p\.m\.|uhr|uur|h)\b")
EDITION = re.compile(r"第?\s?\d+\s?版")
PUBLISHING = re.compile(
    r"\b(?:publish|publica|posted|appear(?:s|ed) (?:in|on)|in print|print edition|upload|aired|broadcast|submitted|released|issued on|filed|updated|"
    r"gepublic|geplaatst|verscheen|verschenen|in de krant|papieren krant|uitgezonden|ingezonden|aangemaakt|toegevoegd|editie van|bijgewerkt|"
    r"veröffentlich|erschien|eingestellt|ausgabe vom|ausgestrahlt|hochgeladen|publizier|publikation|gesendet|meldung vom|aktualisier|"
    r"publié|parue?\b|parution|mis en ligne|mise en ligne|mis à jour|mise à jour|édition du|diffusé|rédigé|actualisé|communiqué du|"
    r"publicad|publicación|edición|impresa|subid[oa] |difundid|emitid|actualizad|pubblicat|pubblicaz|edizione|inserit[oa] |caricat|aggiornat|"
    r"postad|publicação|edição|impress[oa]\b|divulgad|atualizad|criad[oa] em|публикац|опубликова|размещен|вышл[аои]|в газете|номер от|обновлен|"
    r"загружен|выложен|добавлен|создан|публікац|опубліков|надруков|розміщен|вийшл|у газеті|оновлен|завантажен|додано|створен|"
    r"yayınlan|yayımlan|yayına|eklen|baskı|oluştur|güncelle|yüklen|publikacj|opublikow|ukaza|w wydaniu|wydanie z|zamieszcz|dodan|aktualizacj|utworz|"
    r"publicer|införd|papperstidning|trycktes|uppdatera|inlagd|upplagd|utgåvan)|"
    r"نشر|العدد|تحديث|صدر|منشور|发布|發布|发表|發表|刊登|刊发|刊于|发稿|更新|上传|上傳|播出|出版|公開|掲載|配信|投稿|朝刊|夕刊|紙面|放送|発行|登録日|作成日|版）"
)
"""Words for publishing. Beside a date in a short separate line they show that the date is that of the article."""
MAX_PUBLISHING_WORDS = 18
WORDS = re.compile(r"[^\W\d_]+")
ANNOUNCES = re.compile(r"[^\W_]\s*[:：]\s*$")
MAX_NAMES = 10
"""Maximum number of words beside a date: a section, a place, an author, a role."""
LETTER_OR_DIGIT = re.compile(r"[^\W_]")
PLACE = re.compile(r"^\W*[^\W\d_a-z][^\W\d_]*(?:[ -][^\W\d_a-z][^\W\d_]*){0,2}\s*(?:\([^()]{0,30}\)\s*)?[,./–—-]*\s*$")
"""The place in a dateline."""
NAMED_GROUP = re.compile(r"\(\?P<\w+>")
BEHIND_DATE = re.compile(
    rf"(?:[\s,T]{{0,3}}{NAMED_GROUP.sub('(?:', TIME.pattern)})?"
    rf"\s*[,.]?\s*(?:[(（]?(?:{NAMED_GROUP.sub('(?:', AGENCY.pattern)})[)）]?)?\s*"
    r"(?:(?P<strong>[)\]】）|:：–—]|\.-|-(?=\s)|/(?=\s))|[.·•](?=\s))",
    re.IGNORECASE,
)
"""The text between a date and the first sentence: a time, an agency, and a mark that separates them."""
SCRAPERS_LABEL = re.compile(r"\W*(?:date|datum|fecha|data|дата|tarih|日期|التاريخ)\b")
MIN_GLUED_REST = 15
SEPARATORS = re.compile(r"\s[-/]\s|[|·•–—,;:()\[\]»›>●▪■｜／、，：（）【】\u200f\t]| {2,}")


class FoundDate(NamedTuple):
    """A date in a line at code points [start, end).

    `at` is the instant. When it is None, `problem` says why. `order` is set when the language decided the order of day and
    month.
    """

    start: int
    end: int
    at: datetime | None
    precision: DatePrecision
    order: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class DateLine:
    """The dates of a line. `kind` tells how certain it is that they belong to the article."""

    dates: tuple[StatedDate, ...]
    rejected: tuple[RejectedDate, ...]
    kind: Literal["labelled", "bare", "section"]
    is_update: bool


@cache
def _calendar() -> tuple[dict[str, dict[str, int]], dict[str, int], frozenset[str]]:
    """Months by language, months with the same meaning in all languages, and the weekdays of all languages."""
    content = json.loads((DATA / "calendar.json").read_text(encoding="utf8"))
    meanings: dict[str, set[int]] = {}
    for names in content["months"].values():
        for name, number in names.items():
            meanings.setdefault(name, set()).add(number)
    shared = {name: next(iter(numbers)) for name, numbers in meanings.items() if len(numbers) == 1}
    return content["months"], shared, frozenset(day for days in content["weekdays"].values() for day in days)


@cache
def _words() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Patterns of the labels, of the labels for updates, and of all words that may be in a date line."""
    content = tomllib.loads((DATA / "dates.toml").read_text(encoding="utf8"))
    published = {word for words in content["published"].values() for word in words}
    updated = {word for words in content["updated"].values() for word in words}
    weak = set(content["around"]["words"]) | _calendar()[2]
    strong = {word for word in published if len(word) > (1 if _is_unspaced(word) else 3)} - weak | updated
    return _any_of(strong), _any_of(updated), _any_of(published | updated | weak)


def _any_of(words: set[str]) -> re.Pattern[str]:
    """A pattern that matches any of the words as a whole. Scripts without spaces have no word boundaries."""
    ordered = sorted((word.lower() for word in words), key=len, reverse=True)
    spaced = "|".join(re.escape(word) for word in ordered if not _is_unspaced(word))
    unspaced = "|".join(re.escape(word) for word in ordered if _is_unspaced(word))
    return re.compile(rf"(?<![^\W\d_])(?:{spaced})(?![^\W\d_])|(?:{unspaced})")


def _is_unspaced(word: str) -> bool:
    return bool(re.search(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]", word))


def read_line(line: str, language: str, fetched_at: datetime, source: DateSource) -> DateLine | None:
    """The dates of a line that contains only dates. None for every other line."""
    if len(line) > MAX_LINE or not HAS_YEAR.search(line):
        return None
    folded = fold_text_for_dates(line)
    found = find_dates(folded, language)
    if not found:
        return None
    labels, updates, harmless = _words()
    rest = _blank(folded, found)
    without_times = _erase(EDITION, _erase(HOUR_WITH_HALF, _erase(TIME, rest)))
    tells_publishing = bool(PUBLISHING.search(rest)) and len(line.split()) <= MAX_PUBLISHING_WORDS
    is_labelled = tells_publishing or bool(labels.search(without_times))
    leftover = _erase(harmless, without_times)
    if not LETTER_OR_DIGIT.search(leftover):
        kind: Literal["labelled", "bare", "section"] = "labelled" if is_labelled else "bare"
    elif tells_publishing and not _continues(folded, found):
        kind = "labelled"
    elif _are_names_beside(line, folded, found, leftover):
        kind = "labelled" if is_labelled else "section"
    else:
        return None
    first_label = labels.search(without_times)
    is_update = bool(first_label and updates.match(without_times, first_label.start()))
    dates, rejected = _judge(line, found, source, fetched_at)
    return DateLine(dates, rejected, kind, is_update)


def glued_header(line: str, language: str, fetched_at: datetime) -> tuple[DateLine, str, str] | None:
    """A date in front of a first sentence: the date, its words, and the rest of the line.

    The date counts only when a label announces it, when brackets, a dash or a full stop separate it, or when it is
    written in figures or with a time. Examples: `date 2022-02-04 China and …`, `(23.05.2021) …`,
    `MADRID, 23 de mayo de 2021 (EFE) - …`.
    """
    head = fold_text_for_dates(line[:MAX_GLUED])
    if not HAS_YEAR.search(head):
        return None
    found = find_dates(head, language)
    if not found or found[0].at is None:
        return None
    first, end = found[0], found[0].end
    labels, _, harmless = _words()
    before = head[: first.start]
    is_labelled = bool(labels.match(before, len(before) - len(before.lstrip(" ([【（*•-")))) or bool(
        SCRAPERS_LABEL.match(before)
    )
    unknown = bool(LETTER_OR_DIGIT.search(harmless.sub(" ", AGENCY.sub(" ", line[: first.start]).lower())))
    if (
        unknown
        and not (is_labelled and len(before.split()) <= MAX_SECTION_WORDS)
        and not PLACE.match(AGENCY.sub("", line[: first.start]))
    ):
        return None
    behind = BEHIND_DATE.match(line, end)
    is_set_apart = behind is not None and (bool(behind["strong"]) or not before.strip())
    clock = TIME.match(head, end + 1)
    is_numeric = not before.strip(" ([") and not WORDS.search(head[first.start : first.end].strip("日年月"))
    if not (is_labelled or is_set_apart or is_numeric or (clock and not before.strip())):
        return None
    end = behind.end() if behind else clock.end() if clock else end
    rest = line[end:].lstrip(" \t|:–—-·•.").rstrip()
    if len(rest) < MIN_GLUED_REST:
        return None
    dates, rejected = _judge(line, found[:1], DateSource.HEADER, fetched_at)
    return (DateLine(dates, rejected, "labelled", is_update=False), line[:end].strip(), rest) if dates else None


def glued_trailer(line: str, language: str, fetched_at: datetime) -> tuple[DateLine, str, str] | None:
    """A labelled date behind a last sentence: the date, the sentence, and the words of the date."""
    cut = max((match.end() for match in re.finditer(r"[.!?。！？…][\"'”’»)]?\s*", line[:-8])), default=0)
    tail = line[cut:]
    if not cut or len(tail) > MAX_GLUED:
        return None
    found = read_line(tail, language, fetched_at, DateSource.TEXT)
    return (found, line[:cut].strip(), tail) if found and found.kind == "labelled" and found.dates else None


def find_dates(folded: str, language: str) -> list[FoundDate]:
    """Complete dates (day, month, year) in a folded text, in order and without overlaps."""
    base = language.split("-", maxsplit=1)[0]
    found: list[FoundDate] = []
    for pattern in (ISO, ERA, NUMBERS, VIETNAMESE, DAY_FIRST, MONTH_FIRST, YEAR_FIRST_WORDS):
        for match in pattern.finditer(folded):
            if all(match.end() <= other.start or match.start() >= other.end for other in found):
                date = _read(match, pattern, folded, base)
                if date is not None:
                    found.append(date)
    return sorted(found)


def fold_text_for_dates(text: str) -> str:
    """The text as dates are read: lower case with ASCII digits. The length does not change."""
    western = text.translate(EASTERN_DIGITS) if HAS_EASTERN.search(text) else text
    lower = western.lower()
    return lower if len(lower) == len(text) else western


def is_plausible(at: datetime, fetched_at: datetime) -> bool:
    """Whether a publication date is possible for an article that was fetched at `fetched_at`."""
    return EARLIEST <= at <= fetched_at + FUTURE_TOLERANCE


def _blank(folded: str, found: list[FoundDate]) -> str:
    """The text with spaces in place of the dates."""
    for date in found:
        folded = folded[: date.start] + " " * (date.end - date.start) + folded[date.end :]
    return folded


def _erase(pattern: re.Pattern[str], text: str) -> str:
    """The text with spaces in place of the matches."""
    return pattern.sub(lambda match: " " * len(match[0]), text)


def _are_names_beside(line: str, folded: str, found: list[FoundDate], leftover: str) -> bool:
    """Whether the rest of the line is short names: separated from the date, or with capitals (`Utrecht 23 mei 2021`)."""
    if ANNOUNCES.search(leftover[: found[0].start].rstrip()) or line.rstrip().endswith((".", "!", "?", "。")):
        return False  # `Concert: 23 May 2021` is the date of something else
    words = [line[match.start() : match.end()] for match in WORDS.finditer(leftover)]
    segments = [segment for segment in SEPARATORS.split(leftover) if segment and segment.strip()]
    if len(words) > MAX_NAMES or any(len(segment.split()) > MAX_SECTION_WORDS for segment in segments):
        return False
    date_segment = next((part for part in _segments(folded) if part[0] <= found[0].start < part[1]), (0, len(folded)))
    beside = leftover[date_segment[0] : date_segment[1]]
    own = [line[date_segment[0] + match.start()] for match in WORDS.finditer(beside)]
    return not own or (len(own) <= MAX_SECTION_WORDS and all(letter.isupper() for letter in own))


def _segments(folded: str) -> list[tuple[int, int]]:
    """The ranges [start, end) between separators."""
    edges = [0]
    for match in SEPARATORS.finditer(folded):
        edges += [match.start(), match.end()]
    edges.append(len(folded))
    return list(zip(edges[::2], edges[1::2], strict=True))


def _continues(folded: str, found: list[FoundDate]) -> bool:
    """Whether many words follow the date. Then the line is a sentence about something else."""
    return len(folded[found[-1].end :].split()) > MAX_SECTION_WORDS


def _read(match: re.Match[str], pattern: re.Pattern[str], folded: str, language: str) -> FoundDate | None:
    groups = match.groupdict()
    order = problem = None
    if "a" in groups:
        ordered = _ordered(int(groups["a"]), int(groups["b"]), groups["sep"], language)
        day, month, order, problem = ordered
        year = int(groups["y"]) if len(groups["y"]) == 4 else 2000 + int(groups["y"])
    else:
        year = REIWA + (1 if groups["y"] == "元" else int(groups["y"])) if pattern is ERA else int(groups["y"])
        number = int(groups["m"]) if "m" in groups else _month(groups["month"], language)
        if number is None:
            return None
        day, month = int(groups["d"]), number
    end = match.end()
    if problem is not None:
        return FoundDate(match.start(), end, None, DatePrecision.DAY, None, problem)
    try:
        at = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    precise = _with_time(at, folded, end)
    if precise is not None:
        return FoundDate(match.start(), precise[1], precise[0], DatePrecision.SECOND, order, None)
    return FoundDate(match.start(), end, at, DatePrecision.DAY, order, None)


def _ordered(first: int, second: int, separator: str, language: str) -> tuple[int, int, str | None, str | None]:
    """Day, month, what decided their order, and the problem when nothing decided it."""
    if first <= 12 and second <= 12 and first != second:
        if language in MONTH_FIRST_POSSIBLE and separator != ".":
            return 0, 0, None, "day and month cannot be told apart"
        return first, second, f"day first in {language}" if language != "und" else "day first with dots", None
    if second > 12 and language in MONTH_FIRST_POSSIBLE:
        return second, first, None, None
    return first, second, None, None


def _month(words: str, language: str) -> int | None:
    months, shared, _ = _calendar()
    own = months.get(language, {})
    for name in (words, *words.split("/")):
        key = name.strip(" .")
        number = own.get(key) or shared.get(key)
        if number:
            return number
    return None


def _with_time(at: datetime, folded: str, end: int) -> tuple[datetime, int] | None:
    """The instant and the end of its text, when a time with a zone follows the date. Else None."""
    match = TIME_BEHIND.match(folded, end)
    if match is None or not match["zone"]:
        return None
    try:
        at = at.replace(hour=int(match["h"]), minute=int(match["mi"] or 0), second=int(match["s"] or 0))
    except ValueError:
        return None
    zone = match["zone"]
    if zone[0] in "+-":
        sign = -1 if zone[0] == "+" else 1
        try:
            at += sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        except OverflowError:  # the first or the last day of the calendar
            return None
    return at, match.end()


def _judge(
    line: str, found: list[FoundDate], source: DateSource, fetched_at: datetime
) -> tuple[tuple[StatedDate, ...], tuple[RejectedDate, ...]]:
    """Plausible dates as stated dates, and the other dates with the reason for rejection."""
    dates, rejected = [], []
    for date in found:
        words = line[date.start : date.end].strip()
        if date.at is None:
            rejected.append(RejectedDate(matched=words, reason=date.problem or "unreadable"))
        elif not is_plausible(date.at, fetched_at):
            rejected.append(RejectedDate(matched=words, reason="before 1990 or after it was fetched"))
        else:
            dates.append(
                StatedDate(at=date.at, source=source, precision=date.precision, matched=words, order=date.order)
            )
    return tuple(dates), tuple(rejected)

"""Makes clean text from lines. The rule that drops a line depends on the line and on its position.

The lines of an article are a head, a body of sentences, and a tail. Inside the body only clear furniture is dropped.
In head and tail, lines are dropped that are not sentences or that contain phrases of furniture (`data/furniture.toml`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from schemas.article import ArticleDraft, DateSource, Normalized, RejectedDate, RemovedLine, StatedDate
from services.common.time_limit import timed
from services.normalizer import dates
from services.normalizer.agencies import AGENCY_DATELINE, AGENCY_TOLD, MAX_CREDIT_WORDS, byline_of, credited_agency
from services.normalizer.dates import DateLine
from services.normalizer.lines import (
    FULL_STOP,
    LONG_WORDS,
    MAX_SITE_WORDS,
    MAX_TITLE,
    SENTENCE_END,
    Line,
    is_breadcrumb,
    is_headline,
    is_name_like,
    is_name_line,
    is_site_name,
    key_of,
    stems_of,
)

VERSION = "normalizer@2"
HEADER_LINES = 8
TRAILER_LINES = 10
"""Number of lines at the end that may contain a date without a label. Dates with a label may be higher."""
MAX_TAIL_LINES = 40
MAX_SUBTITLE_WORDS = 12
"""A line between title and text with fewer words that is not a sentence is a byline, a role or a section."""
MAX_SANDWICHED_WORDS = 15
MAX_SENTENCES_CUT = 2
CLEARER = 0.3
"""A later line becomes the title instead of the first one if its share of words from the text is this much higher."""
NUMBERED = re.compile(r"^\d{1,2}[.)]?\s")
MIN_BODY_LINES = 3
"""Number of sentences that a text needs before its other lines are judged by their form alone."""
MAX_STARTED_WORDS = 25
"""A longer line that begins like furniture is a paragraph."""
MAX_TEASER_WORDS = 30
MAX_NOTICE_WORDS = 70
"""A longer line at the end is a paragraph, even if it contains phrases of furniture."""
MIN_WEIGHT = 2
"""Number of words in furniture phrases from which a sentence next to the body does not belong to the body."""
MAX_TEASERS = 8
"""Maximum number of teaser lines below an announcement inside the body."""
HEADINGS = frozenset({"related", "comments", "newsletter", "share", "cookies", "copyright"})
"""Kinds of furniture that announce the lines below them."""


def normalize(draft: ArticleDraft) -> ArticleDraft:
    """Add `normalized`: title, clean text, the removed lines with their rules, agency, byline and dates."""
    extracted = draft.extracted
    text = extracted.text if extracted else draft.content.strip()
    language = draft.language.code if draft.language else "und"
    given = draft.title or (extracted.title if extracted else None)
    article = ArticleLines(text, language, draft.fetched_at, " ".join(given.split()) if given else None)
    article.read()
    markup = extracted.dates if extracted else ()
    plausible = tuple(date for date in markup if dates.is_plausible(date.at, draft.fetched_at))
    normalized = Normalized(
        title=article.title,
        text=article.clean_text() or text,
        removed=tuple(article.removed()),
        agency=article.agency,
        byline=article.byline or (extracted.byline if extracted else None),
        dates=(*article.dates, *plausible),
        rejected_dates=tuple(article.rejected),
    )
    return draft.model_copy(update={"normalized": normalized})


@dataclass(slots=True)
class ArticleLines:
    """The lines of one text while the rules are applied. `fetched_at` limits the plausible dates."""

    text: str
    language: str
    fetched_at: datetime
    title: str | None
    lines: list[Line] = field(default_factory=list)
    dates: list[StatedDate] = field(default_factory=list)
    rejected: list[RejectedDate] = field(default_factory=list)
    agency: str | None = None
    byline: str | None = None
    _updates: list[StatedDate] = field(default_factory=list)

    def read(self) -> None:
        """Apply the rules in order. Each rule sees only the lines that earlier rules kept."""
        self.lines = [Line(line) for raw in timed(self.text.split("\n")) if (line := " ".join(raw.split()))]
        self._glued_dates()
        self._date_lines()
        self._plain_furniture()
        self._agencies()
        self._repeated()
        self._title()
        if self._is_prose():
            self._head()
            self._announced()
            self._tail()
        self.dates += self._updates
        self._keep_something()

    def kept(self) -> list[Line]:
        """The lines that no rule has dropped."""
        return [line for line in self.lines if line.reason is None]

    def removed(self) -> Iterator[RemovedLine]:
        """The lines that a rule has dropped, in order."""
        kept = 0
        for line in self.lines:
            if line.reason is None:
                kept += 1
            else:
                yield RemovedLine(before=kept, rule=line.reason, text=line.text)

    def clean_text(self) -> str:
        """The kept lines. Each line is a paragraph."""
        return "\n".join(line.text for line in self.kept())

    def _glued_dates(self) -> None:
        for index, line in enumerate(self.lines[:HEADER_LINES]):
            head = dates.glued_header(line.text, self.language, self.fetched_at)
            if head is not None:
                self._state(head[0])
                self.lines[index : index + 1] = [Line(head[1], "date"), Line(head[2])]
                break
        tail = dates.glued_trailer(self.lines[-1].text, self.language, self.fetched_at) if self.lines else None
        if tail is not None:
            self._state(tail[0])
            self.lines[-1:] = [Line(tail[1]), Line(tail[2], "date")]

    def _state(self, found: DateLine) -> None:
        (self._updates if found.is_update else self.dates).extend(found.dates)
        self.rejected += found.rejected

    def _date_lines(self) -> None:
        """Read dates in the first and last lines. Dates beside teasers belong to the other articles."""
        kept = self.kept()
        announced, sentences = False, 0
        for index, line in enumerate(timed(kept)):
            sentences += line.is_sentence
            in_header, from_end = index < HEADER_LINES and sentences <= 2, len(kept) - index
            if (not in_header and from_end > MAX_TAIL_LINES) or (
                line.is_sentence and line.words > dates.MAX_PUBLISHING_WORDS
            ):
                continue
            announced = announced or (not in_header and _announces(line))
            source = DateSource.HEADER if in_header else DateSource.TEXT
            found = dates.read_line(line.text, self.language, self.fetched_at, source) if len(kept) > 1 else None
            if found is None or (found.kind != "labelled" and not in_header and from_end > TRAILER_LINES):
                continue
            if found.kind != "labelled" and (announced or line.cues.whole or line.cues.start):
                continue
            if found.kind == "section" and not in_header:
                continue
            self._state(found)
            line.reason = "date"
            self.byline = self.byline or byline_of(line.text)

    def _plain_furniture(self) -> None:
        """Drop furniture at any position: a line that is a phrase, or a short line that begins with a phrase."""
        kept = self.kept()
        for index, line in enumerate(timed(kept)):
            is_inside = HEADER_LINES <= index < len(kept) - TRAILER_LINES
            if line.words > (MAX_STARTED_WORDS if is_inside and line.is_sentence else MAX_NOTICE_WORDS):
                continue
            cues = line.cues
            if cues.whole:
                line.reason = cues.whole
            elif cues.anywhere:
                line.reason = cues.anywhere
            elif cues.start and line is not kept[0] and _is_started(line):
                line.reason = cues.kind

    def _agencies(self) -> None:
        kept = self.kept()
        for line in kept:
            agency = credited_agency(line.text) if len(kept) > 1 and line.words <= MAX_CREDIT_WORDS else None
            if agency:
                self.agency, line.reason = self.agency or agency, "agency"
        for line in self.lines if self.agency is None else []:
            if line.reason in {"source", "caption"}:
                self.agency = self.agency or credited_agency(line.text)
        for line in self.kept()[:HEADER_LINES] + self.kept()[-HEADER_LINES:] if self.agency is None else []:
            match = AGENCY_DATELINE.match(line.text) or AGENCY_TOLD.search(line.text)
            if match and self.agency is None:
                self.agency = match["agency"]

    def _repeated(self) -> None:
        """Drop repeated short lines. Two equal lines (also with other quotes) are text and caption of a picture."""
        kept = self.kept()
        keys = [key_of(line.text) for line in kept]
        counts, seen = Counter(keys), set[str]()
        for index, (line, key) in enumerate(timed(zip(kept, keys, strict=True))):
            beside = key in (keys[index - 1] if index else None, keys[index + 1] if index + 1 < len(keys) else None)
            if counts[key] > 1 and beside and len(line.text) <= MAX_TITLE and index > 0:
                line.reason = "caption" if index > 1 or keys[0] != key else "repeated"
            elif key in seen:
                line.reason = "repeated"
            seen.add(key)

    def _title(self) -> None:
        """Set the title: the stated one, or the line in the head that looks most like a title.

        Names of sites above the title are dropped.
        """
        kept = self.kept()
        if self.title is not None:
            for line in kept[:HEADER_LINES]:
                if len(kept) > 1 and key_of(line.text) == key_of(self.title):
                    line.reason = "title"
            return
        if len(kept) == 1 and len(kept[0].text) <= MAX_TITLE:
            self.title = kept[0].text
        if len(kept) < 2:
            return
        start = self._body_start(kept)
        head = kept[:start][:HEADER_LINES]
        best = self._best_title(head, kept, start)
        if best is None:
            return
        self.title, best.reason = best.text, "title"
        for line in head[: head.index(best)] if best in head else head:
            if not line.is_sentence and (
                is_site_name(line.text) or is_breadcrumb(line) or line.words <= MAX_SITE_WORDS
            ):
                line.reason = "site"

    def _best_title(self, head: list[Line], kept: list[Line], start: int) -> Line | None:
        """The first line of the head that looks like a headline and shares words with the text, else a short line."""
        found = [line for line in head if _may_be_title(line, is_first=line is self.lines[0])]
        first = kept[start] if start < len(kept) and start <= 3 else None
        if first is not None and len(first.text) <= MAX_TITLE and self._stands_apart(first):
            found.append(first)
        if not found:
            short = [line for line in head if not (is_breadcrumb(line) or line.cues.start or byline_of(line.text))]
            return short[0] if short and _is_short_title(short[0], kept) else None
        if len(found) == 1:
            return found[0]
        body = stems_of(" ".join(line.text for line in kept[start:] if line not in found))
        shares = [_share_in(line, body) for line in found]
        best = max(range(len(found)), key=lambda index: shares[index])
        if is_name_like(found[0]) and not is_name_like(found[1]) and _are_near(head, found):
            best = max(best, 1)
        is_better = shares[best] - shares[0] >= CLEARER or (best > 0 and is_name_like(found[0]))
        return found[best] if is_better else found[0]

    def _stands_apart(self, line: Line) -> bool:
        """Whether the line below is furniture."""
        under = self.lines.index(line) + 1
        if under >= len(self.lines):
            return False
        below = self.lines[under]
        return below.reason is not None or byline_of(below.text) is not None or is_name_line(below)

    def _body_start(self, kept: list[Line]) -> int:
        """Index of the first sentence. A question in the first lines may be the title."""
        for index, line in enumerate(kept):
            if index < HEADER_LINES and (line.cues.start or line.cues.part) and line.words <= MAX_STARTED_WORDS:
                continue
            if line.is_sentence and not (index < 3 and is_headline(line) and line.words < LONG_WORDS):
                return index
        return len(kept)

    def _is_prose(self) -> bool:
        """Whether the text has sentences with sentence ends. Otherwise the form of lines tells nothing."""
        kept = [line for line in self.kept() if line.words > MIN_BODY_LINES]
        ended = [line for line in kept if line.is_sentence and SENTENCE_END.search(line.text)]
        return len(ended) >= MIN_BODY_LINES or (len(ended) >= 1 and 2 * len(ended) >= len(kept))

    def _head(self) -> None:
        """Drop lines above the first sentence: bylines, sections, and lines that begin with or contain furniture."""
        kept = self.kept()
        for line in kept[: self._body_start(kept)]:
            byline = byline_of(line.text)
            if byline is not None:
                self.byline, line.reason = self.byline or byline, "byline"
            elif line.cues.start or line.cues.part:
                line.reason = line.cues.kind
            elif is_breadcrumb(line):
                line.reason = "navigation"
            elif is_name_line(line):
                line.reason = "byline"
            elif line.words < MAX_SUBTITLE_WORDS and not FULL_STOP.search(line.text):
                line.reason = "header"

    def _announced(self) -> None:
        """Drop teasers below an announcement: lines that are not sentences, up to the next sentence."""
        left = 0
        for line in self.lines:
            if line.reason in HEADINGS and not line.is_sentence:
                left = MAX_TEASERS
            elif line.reason is None:
                if line.is_sentence or not left:
                    left = 0
                else:
                    line.reason, left = "teaser", left - 1

    def _tail(self) -> None:
        """Drop the lines below the last sentence of the body. The search starts at the end and skips furniture."""
        self._cut_at_announcement()
        places = [index for index, line in enumerate(self.lines) if line.reason is None]
        first = self._body_start([self.lines[index] for index in places])
        below = False
        for index in timed(reversed(places[first + 1 :])):
            line, above = self.lines[index], self.lines[index - 1].reason is not None
            reason = self._tail_reason(line, below=below, above=above)
            if reason is None:
                return
            line.reason, below = reason, True

    def _tail_reason(self, line: Line, *, below: bool, above: bool) -> str | None:
        """The reason why a line does not belong to the body. None when it does.

        `below` and `above` say whether the lines below and above it were dropped.
        """
        cues = line.cues
        byline = None if line.is_sentence else byline_of(line.text)
        if byline is not None:
            self.byline = self.byline or byline
            return "byline"
        if cues.start and line.words <= MAX_TEASER_WORDS and (not line.is_sentence or cues.is_delimited or below):
            return cues.kind
        if (
            cues.part
            and line.words <= MAX_NOTICE_WORDS
            and (not line.is_sentence or cues.weight >= MIN_WEIGHT or below)
        ):
            return cues.part
        is_short = line.words <= MAX_SANDWICHED_WORDS
        if is_short and above and (below or NUMBERED.match(line.text)):
            return "furniture"
        if line.is_sentence or line.words > MAX_TEASER_WORDS or (line.words > 2 and FULL_STOP.search(line.text)):
            return None
        return "teaser"

    def _cut_at_announcement(self) -> None:
        """Drop all lines from an announcement on, when almost no sentence follows it."""
        sentences, end = 0, len(self.lines)
        for index in timed(range(len(self.lines) - 1, MIN_BODY_LINES - 1, -1)):
            line = self.lines[index]
            if line.reason is None and line.is_sentence and not NUMBERED.match(line.text):
                sentences += 1
                if sentences > MAX_SENTENCES_CUT or line.words >= LONG_WORDS:
                    return
            if _announces(line) and (line.reason or _is_started(line)):
                for after in self.lines[index:end]:
                    after.reason = after.reason or "furniture"
                end = index

    def _keep_something(self) -> None:
        """Keep the text from being empty. When all lines were dropped, the title line comes back, or else all lines."""
        if self.kept() or not self.lines:
            return
        titles = [line for line in self.lines if line.reason == "title"]
        for line in titles or self.lines:
            line.reason = None


def _is_started(line: Line) -> bool:
    """Whether a line that begins like furniture is furniture: it is short, separated, or not a sentence."""
    cues = line.cues
    if cues.is_delimited:
        return line.words <= MAX_TEASER_WORDS
    if line.is_sentence:
        return False
    return line.words <= (MAX_STARTED_WORDS if cues.start_words > 1 else MAX_STARTED_WORDS // 2)


def _announces(line: Line) -> bool:
    return (line.cues.whole or line.cues.start) in HEADINGS and not line.is_sentence


def _may_be_title(line: Line, *, is_first: bool) -> bool:
    cues = line.cues
    is_furniture = bool(
        cues.whole or (cues.start and cues.is_delimited and not (is_first and line.words > MAX_SITE_WORDS))
    )
    is_of_person = byline_of(line.text) is not None or (is_name_line(line) and not is_first)
    return is_headline(line) and not is_furniture and not is_breadcrumb(line) and not is_of_person


def _are_near(head: list[Line], found: list[Line]) -> bool:
    """Whether at most one line is between the first two found lines."""
    return found[1] not in head or head.index(found[1]) - head.index(found[0]) <= 2


def _share_in(line: Line, body: frozenset[str]) -> float:
    """The share of the words of a line that are also in the text."""
    stems = stems_of(line.text)
    return len(stems & body) / len(stems) if stems else 0.0


def _is_short_title(line: Line, kept: list[Line]) -> bool:
    """Whether a short line above a longer text can be its title."""
    text = line.text
    return len(text) <= MAX_TITLE and not SENTENCE_END.search(text) and len(kept[1].text) > 2 * len(text)

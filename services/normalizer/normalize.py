"""Clean text from lines: which rule drops a line depends on the line and on where it stands."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from schemas.article import ArticleDraft, DateSource, Normalized, Paragraph, StatedDate
from services.normalizer import dates
from services.normalizer.rules import (
    AGENCY_CREDIT,
    AGENCY_DATELINE,
    AGENCY_LINE,
    AGENCY_TOLD,
    BOILERPLATE,
    BYLINE,
    SOURCE_LINE,
)

VERSION = "normalizer@1"
MAX_TITLE = 240
HEADER_LINES = 6
TRAILER_LINES = 8
MAX_SITE_WORDS = 4
MIN_TITLE_WORDS = 4
MAX_TEASER_WORDS = 30
MIN_BODY_LINES = 3
SENTENCE_END = re.compile(r"[.!?…。！？؟।][\"'”’»)\]]*$")
CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
QUOTES = str.maketrans("‘’‚‛“”„‟«»`´", "''''\"\"\"\"\"\"''")


def normalize(draft: ArticleDraft) -> ArticleDraft:
    """Add `normalized`: title, clean text, every line with its fate, agency, byline and stated dates."""
    extracted = draft.extracted
    text = extracted.text if extracted else draft.content.strip()
    language = draft.language.code if draft.language else "und"
    given = draft.title or (extracted.title if extracted else None)
    page = Page(text, language, draft.fetched_at, " ".join(given.split()) if given else None)
    page.read()
    markup = extracted.dates if extracted else ()
    plausible = tuple(date for date in markup if dates.is_plausible(date.at, draft.fetched_at))
    normalized = Normalized(
        title=page.title,
        text=page.clean_text() or text,
        paragraphs=tuple(
            Paragraph(text=line.text, kept=line.reason is None, reason=line.reason) for line in page.lines
        ),
        agency=page.agency,
        byline=page.byline or (extracted.byline if extracted else None),
        dates=(*page.dates, *plausible),
    )
    return draft.model_copy(update={"normalized": normalized})


@dataclass(slots=True)
class Line:
    """One non-empty line; `reason` names the rule that drops it."""

    text: str
    reason: str | None = None


@dataclass(slots=True)
class Page:
    """The lines of one text while they are being read. `fetched_at` bounds the dates that are believed."""

    text: str
    language: str
    fetched_at: datetime
    title: str | None
    lines: list[Line] = field(default_factory=list)
    dates: list[StatedDate] = field(default_factory=list)
    agency: str | None = None
    byline: str | None = None

    def read(self) -> None:
        """Apply the rules in their order; each sees what the ones before it left."""
        self.lines = [Line(line) for raw in self.text.split("\n") if (line := " ".join(raw.split()))]
        self._header_date()
        self._boilerplate()
        self._labelled_dates()
        self._agency()
        self._repeated_captions()
        self._title()
        self._bylines()
        self._teasers()
        self._keep_something()

    def kept(self) -> list[Line]:
        """The lines that are still there."""
        return [line for line in self.lines if line.reason is None]

    def clean_text(self) -> str:
        """What is left, a line a paragraph."""
        return "\n".join(line.text for line in self.kept())

    def _header_date(self) -> None:
        found = dates.glued_header(self.lines[0].text) if self.lines else None
        if found is None:
            return
        words, rest = found
        if self._add_date(words, DateSource.HEADER):
            first = self.lines[0].text
            head = Line(first[: len(first) - len(rest)].strip(), "date")
            self.lines[0:1] = [head, Line(rest)] if rest else [head]

    def _add_date(self, words: str, source: DateSource) -> bool:
        found = dates.stated(words, self.language, source, self.fetched_at)
        if found is not None:
            self.dates.append(found)
        return found is not None

    def _boilerplate(self) -> None:
        for line in self.kept():
            if len(line.text) <= MAX_TITLE:
                line.reason = next((name for name, rule in BOILERPLATE if rule.match(line.text)), None)

    def _labelled_dates(self) -> None:
        """Dates stand in the first and the last lines; a line is dropped only when its date was understood."""
        kept = self.kept()
        edges = kept[:HEADER_LINES] + kept[HEADER_LINES:][-TRAILER_LINES:]
        for position, line in enumerate(edges):
            source = DateSource.HEADER if position < HEADER_LINES else DateSource.TEXT
            words = dates.labelled(line.text) or (line.text if dates.is_bare_date(line.text) else None)
            if words and len(kept) > 1 and self._add_date(words, source):
                line.reason = "date"

    def _agency(self) -> None:
        kept = self.kept()
        for line in kept:
            match = AGENCY_LINE.match(line.text) or AGENCY_CREDIT.match(line.text)
            if match and len(kept) > 1:
                self.agency, line.reason = self.agency or match["agency"], "agency"
            elif SOURCE_LINE.match(line.text) and line is not kept[0]:
                line.reason = "source"
        for line in self.kept():
            match = AGENCY_DATELINE.match(line.text) or AGENCY_TOLD.search(line.text)
            if match and self.agency is None:
                self.agency = match["agency"]

    def _repeated_captions(self) -> None:
        """A short line that stands twice, if with other quotes, is a picture's text and its caption."""
        kept = self.kept()
        keys = [_key(line.text) for line in kept]
        counts = Counter(keys)
        for index, (line, key) in enumerate(zip(kept, keys, strict=True)):
            beside = key in (keys[index - 1] if index else None, keys[index + 1] if index + 1 < len(keys) else None)
            if counts[key] > 1 and beside and len(line.text) <= MAX_TITLE:
                line.reason = "caption"
            elif counts[key] > 1 and keys.index(key) < index:
                line.reason = "repeated"

    def _title(self) -> None:
        """The stated title, or the first line where it reads like one; a site's name above it is dropped."""
        kept = self.kept()
        if self.title is not None:
            if kept[1:] and _key(kept[0].text) == _key(self.title):
                kept[0].reason = "title"
            return
        if not kept:
            return
        if len(kept) == 1:
            if len(kept[0].text) <= MAX_TITLE:
                self.title = kept[0].text
            return
        site_first = len(kept) > MIN_BODY_LINES - 1 and _is_site_name(kept[0].text) and _is_headline(kept[1].text)
        headline = kept[1] if site_first else kept[0]
        if not _is_headline(headline.text) and not (headline is kept[0] and _is_short_title(headline.text, kept)):
            return
        if site_first:
            kept[0].reason = "site"
        self.title, headline.reason = headline.text, "title"

    def _bylines(self) -> None:
        for line in self.kept()[:HEADER_LINES]:
            match = BYLINE.match(line.text)
            if match and all(word[0].isupper() for word in match["byline"].split() if len(word) > 3):
                self.byline, line.reason = self.byline or match["byline"], "byline"

    def _teasers(self) -> None:
        """Headlines of other articles at the very end, where the body's lines end like sentences."""
        kept = self.kept()
        tail = 0
        while (
            tail < len(kept)
            and _is_headline(kept[-1 - tail].text)
            and len(_words(kept[-1 - tail].text)) <= MAX_TEASER_WORDS
        ):
            tail += 1
        body = kept[: len(kept) - tail]
        if tail and sum(bool(SENTENCE_END.search(line.text)) for line in body) >= MIN_BODY_LINES:
            for line in kept[len(body) :]:
                line.reason = "teaser"

    def _keep_something(self) -> None:
        """Text is never empty: where every line was dropped, the title's line comes back, else all of them."""
        if self.kept() or not self.lines:
            return
        titles = [line for line in self.lines if line.reason == "title"]
        for line in titles or self.lines:
            line.reason = None


def _key(text: str) -> str:
    """What a short line says, however it is quoted; a long one as it is."""
    if len(text) > MAX_TITLE:
        return text
    return re.sub(r"\W+", " ", text.translate(QUOTES)).casefold().strip()


def _words(text: str) -> list[str]:
    return text.split() if not CJK.search(text) else list(CJK.findall(text))


def _is_headline(text: str) -> bool:
    """Reads like a headline: some words, no sentence's end (a question or an exclamation may be one)."""
    if len(text) > MAX_TITLE or len(_words(text)) < MIN_TITLE_WORDS or text.endswith((":", "：", ",", ";")):
        return False
    return not re.search(r"[.…。।][\"'”’»)\]]*$", text) or text.endswith("...")


def _is_short_title(text: str, kept: list[Line]) -> bool:
    """Few words above a real text are its title too."""
    return len(text) <= MAX_TITLE and not SENTENCE_END.search(text) and len(kept[1].text) > 2 * len(text)


def _is_site_name(text: str) -> bool:
    """A name without a sentence: a few capitalised words, no punctuation."""
    words = text.split()
    return (
        len(words) <= MAX_SITE_WORDS
        and not CJK.search(text)
        and not SENTENCE_END.search(text)
        and all(word[0].isupper() or word[0].isdigit() or len(word) <= 3 for word in words)
        and not re.search(r"[,;:!?]", text)
    )

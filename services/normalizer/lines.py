"""One line of an article, and tests of its form: a sentence, a headline, the name of a site."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from services.normalizer.cues import LineCues, find_cues

MAX_TITLE = 240
MIN_SENTENCE_WORDS = 6
LONG_WORDS = 25
"""A line with this many words or more is running text. Its end does not matter."""
MAX_SITE_WORDS = 4
MIN_TITLE_WORDS = 4
SHORT_WORD = 3
"""Maximum length of articles and prepositions, which have no capital inside names."""
MAX_UNSPACED_NAME = 10
"""Maximum number of characters in the name of a site in a script without spaces. Headlines are longer."""
SENTENCE_END = re.compile(r"[.!?…。！？؟।።։၊။៕።][\s\"'”’»«)\]）」』》〉]*$")
FULL_STOP = re.compile(r"[.…。।።։၊။៕][\s\"'”’»«)\]）」』》〉]*$")
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]")
CHARACTERS_A_WORD = 2
"""Number of characters that count as one word in scripts without spaces."""
BREADCRUMB = re.compile(
    r"\w\s*[>›→＞]{1,2}\s*\w|\w\s[»]{1,2}\s\w|\w\s?[/|｜·]\s?\w.*\w\s?[/|｜·]\s?\w|"
    r"^\W*\w[\w ]{1,30}\s[/|｜·]\s\w[\w ]{1,40}$"
)
STEM = 5
"""Number of first letters that inflected forms of one word usually share."""
WORD = re.compile(r"[^\W\d_]+")
WORD_OR_NUMBER = re.compile(r"\w+")
UNSPACED_RUN = re.compile(rf"(?:{UNSPACED.pattern})+")
NAME_WORD = r"[^\W\d_a-zß-öø-ÿа-яё][^\W\d_]*(?:[-'’.][^\W\d_]*)*"
NAME_LINE = re.compile(rf"^\W*{NAME_WORD}\s(?:\w{{2,3}}\s)?{NAME_WORD}(?:\s{NAME_WORD})?\s?(?:[,(|/·•].{{0,60}}|$)$")
"""The name of a person, with an optional role, place or address behind it."""
MAX_NAME_LINE_WORDS = 10


@dataclass(slots=True, eq=False)
class Line:
    """One non-empty line. It is equal only to itself. `reason` names the rule that drops it.

    In scripts without spaces, `words` counts pairs of characters.
    """

    text: str
    reason: str | None = None
    words: int = field(init=False)
    is_sentence: bool = field(init=False)
    _cues: LineCues | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.words = count_words(self.text)
        self.is_sentence = self.words >= LONG_WORDS or (
            self.words >= MIN_SENTENCE_WORDS and bool(SENTENCE_END.search(self.text))
        )

    @property
    def cues(self) -> LineCues:
        """The furniture phrases in the line. They are searched only once."""
        if self._cues is None:
            self._cues = find_cues(self.text)
        return self._cues


def count_words(text: str) -> int:
    """The number of words between spaces. In scripts without spaces, pairs of characters count."""
    if text.isascii() or not UNSPACED.search(text):
        return len(text.split())
    unspaced = len(UNSPACED.findall(text))
    return unspaced // CHARACTERS_A_WORD + len(UNSPACED.sub(" ", text).split()) // CHARACTERS_A_WORD


def is_headline(line: Line) -> bool:
    """Whether the line looks like a headline: some words and no full stop. It may be a question or an exclamation."""
    text = line.text
    if len(text) > MAX_TITLE or line.words < MIN_TITLE_WORDS or text.endswith((":", "：", ",", ";")):
        return False
    return not FULL_STOP.search(text) or text.endswith("...")


def is_site_name(text: str) -> bool:
    """Whether the text looks like the name of a site: a few capitalised words without punctuation, or an address."""
    words = text.split()
    if len(words) == 1 and re.fullmatch(r"(?:www\.)?[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}", text, re.IGNORECASE):
        return True
    return (
        len(words) <= MAX_SITE_WORDS
        and not SENTENCE_END.search(text)
        and all(word[0].isupper() or not word[0].isalpha() or len(word) <= SHORT_WORD for word in words)
        and not re.search(r"[,;:!?]", text)
    )


def is_breadcrumb(line: Line) -> bool:
    """Whether the line is a breadcrumb: `Home > News > World`, `News | Politics`."""
    return not SENTENCE_END.search(line.text) and line.words <= 14 and bool(BREADCRUMB.search(line.text))


def is_name_line(line: Line) -> bool:
    """Whether the line names a person, like `Karin Lindqvist, correspondent, Malmö`, or has an e-mail address."""
    if "@" in line.text or line.words > MAX_NAME_LINE_WORDS:
        return "@" in line.text
    return bool(NAME_LINE.match(line.text)) and not SENTENCE_END.search(line.text)


def is_name_like(line: Line) -> bool:
    """Whether the line has few words and each longer word has a capital.

    Such a line is the name of a site or a section, or a very short headline.
    """
    words = [word for word in WORD.findall(line.text) if len(word) > SHORT_WORD]
    is_titled = all(not word[0].islower() for word in words)
    if UNSPACED.search(line.text):
        return len(line.text) <= MAX_UNSPACED_NAME and not SENTENCE_END.search(line.text)
    return is_titled and (line.words <= MAX_SITE_WORDS or (line.words <= MAX_SITE_WORDS + 2 and len(words) <= 2))


def key_of(text: str) -> str:
    """A key that is equal for short lines with the same words. A long line is its own key."""
    if len(text) > MAX_TITLE:
        return text
    return " ".join(WORD_OR_NUMBER.findall(text.casefold()))


def stems_of(text: str) -> frozenset[str]:
    """The first letters of longer words, and pairs of characters in scripts without spaces. They compare topics."""
    folded = text.casefold()
    spaced = {word[:STEM] for word in WORD.findall(folded) if len(word) > SHORT_WORD and not UNSPACED.match(word)}
    runs = UNSPACED_RUN.findall(folded)
    return frozenset(spaced | {run[index : index + 2] for run in runs for index in range(len(run) - 1)})

"""Language identification by two identifiers that have to agree, or else be sure.

py3langid is right on whole documents, pycld2 is the better second opinion on short ones; where both are unsure the
answer is `und`, because a wrong language is worse than none.
"""

from __future__ import annotations

import re
from functools import cache

import pycld2
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from schemas.article import ArticleDraft, Language, LanguageScore

VERSION = "language@1"
SAMPLE_CHARACTERS = 3000
SLOW_SAMPLE_CHARACTERS = 500
"""py3langid walks every byte in Python; its answer on news documents does not change beyond this."""
MIN_LETTERS = 3
SURE = 0.9
"""py3langid's probability from which it is believed against pycld2."""
PLAUSIBLE = 0.5
"""Probability from which one identifier alone is believed where the other says nothing."""
UNDETERMINED = Language(code="und", confidence=0.0)
NOT_LETTERS = re.compile(r"[\W\d_]+")
URL = re.compile(r"https?://\S+|\S+@\S+")
SAME = {
    "iw": "he",
    "jw": "jv",
    "in": "id",
    "nb": "no",
    "zh-Hant": "zh",
    "zh-Hans": "zh",
    "tl": "fil",
    "sr-ME": "sr",
    "wuu": "zh",
    "yue": "zh",
}
"""Codes of one language under several names."""


def identify(draft: ArticleDraft) -> ArticleDraft:
    """Add `language`, from title and text."""
    text = draft.extracted.text if draft.extracted else draft.content
    title = draft.title or (draft.extracted.title if draft.extracted else None) or ""
    sample = f"{title}\n{text}" if title and not text.startswith(title) else text
    return draft.model_copy(update={"language": language_of(sample, draft.declared_language)})


def language_of(text: str, declared: str | None = None) -> Language:  # noqa: PLR0911 - a table of cases
    """The language of a text; the declared one only breaks a tie between the two identifiers."""
    sample = URL.sub(" ", text[:SAMPLE_CHARACTERS])
    letters = len(NOT_LETTERS.sub("", sample))
    if letters < MIN_LETTERS:
        return UNDETERMINED
    first, probability, ranking = _py3langid(sample)
    second, share = _cld2(sample)
    alternatives = tuple(LanguageScore(code=code, confidence=score) for code, score in ranking[1:4] if score >= 0.01)
    if first == second:
        return Language(code=first, confidence=max(probability, share), alternatives=alternatives)
    base = SAME.get(declared or "", (declared or "").split("-")[0])
    if base and base in (first, second) and probability < SURE:
        return Language(code=base, confidence=PLAUSIBLE, alternatives=alternatives)
    if probability >= SURE:
        return Language(code=first, confidence=probability * (0.95 if second else 1.0), alternatives=alternatives)
    if second and share >= PLAUSIBLE:
        return Language(code=second, confidence=share * SURE, alternatives=_with(first, probability, alternatives))
    if not second and probability >= PLAUSIBLE:
        return Language(code=first, confidence=probability * SURE, alternatives=alternatives)
    return Language(code="und", confidence=0.0, alternatives=_with(first, probability, alternatives))


def _with(code: str, probability: float, rest: tuple[LanguageScore, ...]) -> tuple[LanguageScore, ...]:
    return (LanguageScore(code=code, confidence=probability), *rest[:2])


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _py3langid(sample: str) -> tuple[str, float, list[tuple[str, float]]]:
    """The best language, its probability, and the four best."""
    merged: dict[str, float] = {}
    for code, score in _identifier().rank(sample[:SLOW_SAMPLE_CHARACTERS])[:6]:
        name = SAME.get(code, code)
        merged[name] = min(1.0, merged.get(name, 0.0) + float(score))
    ranking = sorted(merged.items(), key=lambda item: -item[1])[:4]
    return ranking[0][0], ranking[0][1], ranking


def _cld2(sample: str) -> tuple[str, float]:
    """pycld2's language and share of the text, or ("", 0) where it is unsure."""
    try:
        reliable, _, details = pycld2.detect(sample)
    except (pycld2.error, UnicodeError):
        return "", 0.0
    _, code, percent, _ = details[0]
    return (SAME.get(code, code), percent / 100) if reliable and code != "un" else ("", 0.0)

"""Language identification: likelihoods of py3langid, corrected by pycld2 and by the rarity of a language in news.

py3langid is right on whole documents. On short texts it is best when languages without a press get a penalty. pycld2
answers `en` for everything that it does not know, so only its other answers are evidence. Figures are in ADR 10.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache

import pycld2
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from schemas.article import ArticleDraft, Language, LanguageScore, LanguageShare

VERSION = "language@2"
SAMPLE_CHARACTERS = 1000
FIRST_SAMPLE = 120
"""Number of characters of the first sample. py3langid is slow because it reads every byte in Python.

If pycld2 agrees on this sample, no larger sample is used.
"""
SECOND_SAMPLE = 1000
MIN_LETTERS = 3
MIN_CONFIDENCE = 0.4
"""Below this confidence the answer is `und`, because most of these answers would be wrong."""
CLD2_WEIGHT = 4.0
"""Nats that the answer of pycld2 adds to the likelihood of a language. An unreliable answer adds half of it."""
ENGLISH_PENALTY = 2.0
RARE_PENALTY = 8.0
UNUSUAL_PENALTY = 4.0
"""Penalty in nats for languages with little or no press. Names and short headlines often look like such a language."""
RARE = frozenset(
    [
        "an", "ace", "bcl", "ary", "arz", "vec", "wa", "lij", "crh", "ext", "gcf", "gcr", "gom", "grc", "gug", "guw", "hbo",
        "ltg", "la", "zxx", "fuv", "kab", "pcm", "se", "sa", "uzs", "sdh", "vo", "dz", "kik",
    ]
)  # fmt: skip
UNUSUAL = frozenset(
    [
        "lb", "ba", "tk", "tg", "ky", "rw", "sn", "st", "nso", "qu", "ln", "lg", "ug", "ig", "yo", "or", "as", "ht", "gd",
        "br", "fo", "jv", "eo", "oc", "fy",
    ]
)  # fmt: skip
MAX_ALTERNATIVES = 3
CLOSE = (frozenset({"hr", "bs", "sr"}), frozenset({"id", "ms"}))
SLOPE, OFFSET, AGREEMENT = 1.9, -2.1, 0.9
"""Confidence = logistic(OFFSET + SLOPE · ln(1 + lead in nats) + AGREEMENT if pycld2 agrees). Fitted on half of NTREX."""
MIXED_CHARACTERS = 6000
MIN_MIXED_LETTERS = 300
MIN_MIXED_SHARE = 0.1
MIN_LINE_LETTERS = 40
TRANSLATED = re.compile(
    r"\b(?:translat(?:ed|ion) (?:by|from)|vertaald (?:door|uit)|vertaling:|übersetzt (?:von|aus)|übersetzung:|traduit (?:par|de)|traduction :|"
    r"traducido (?:por|del)|traducción (?:de|:)|tradotto (?:da|dal)|traduzione (?:di|:)|traduzido (?:por|do)|tradução (?:de|:)|перевод(?: с|:)|перевела?\b|"
    r"переклад(?: з|:)|tłum(?:aczenie|\.|aczył)|przekład:|översatt (?:av|från)|översättning:|çeviren|çeviri:)|ترجمة|翻译|翻譯|編譯|编译|翻訳",
    re.IGNORECASE,
)
TRANSLATION_STEMS = (
    "translat", "vertaal", "vertaling", "übersetz", "tradu", "tradot", "перев", "переклад", "tłum", "przekł", "översatt", "översättn",
    "çevir", "ترجم", "翻", "編譯", "编译",
)  # fmt: skip
"""Every match of TRANSLATED contains one of these stems. They are searched first because that is fast."""
EDGE = 600
"""Number of characters at the beginning and the end that may say that the text is a translation."""
NO_LANGUAGE = "zxx"
"""The code of py3langid and ISO 639-2 for text without a language."""
UNDETERMINED = Language(code="und", confidence=0.0)
NOT_LETTERS = re.compile(r"[\W\d_]+")
URL = re.compile(r"https?://\S+|\S+@\S+")
SAME = {
    "iw": "he", "jw": "jv", "in": "id", "nb": "no", "nn": "no", "zh-Hant": "zh", "zh-Hans": "zh", "tl": "fil", "sr-ME": "sr",
    "wuu": "zh", "yue": "zh", "arz": "ar", "ary": "ar", "uzs": "uz",
}  # fmt: skip
"""Other codes for the same language."""


def identify(draft: ArticleDraft) -> ArticleDraft:
    """Add `language`, from title and text."""
    text = draft.extracted.text if draft.extracted else draft.content
    title = draft.title or (draft.extracted.title if draft.extracted else None) or ""
    sample = f"{title}\n{text}" if title and not text.startswith(title) else text
    found = language_of(sample, draft.declared_language)
    mixed = mixture_of(text, found)
    translated = _says_translated(text[:EDGE]) or _says_translated(text[-EDGE:])
    if mixed or translated:
        found = found.model_copy(update={"mixed": mixed, "translated": translated})
    return draft.model_copy(update={"language": found})


def language_of(text: str, declared: str | None = None) -> Language:
    """The language of a text. The declared language counts only when the text alone gives no certain answer."""
    sample = URL.sub(" ", text[:SAMPLE_CHARACTERS])
    letters = len(NOT_LETTERS.sub("", sample))
    if letters < MIN_LETTERS:
        return UNDETERMINED
    opinion, is_reliable = _cld2(sample)
    ranking = _rank(sample[:FIRST_SAMPLE], opinion, is_reliable=is_reliable)
    if len(sample) > FIRST_SAMPLE and not (ranking[0][0] == opinion and is_reliable):
        ranking = _rank(sample[:SECOND_SAMPLE], opinion, is_reliable=is_reliable)
    confidence = _confidence(ranking, opinion)
    base = SAME.get(declared or "", (declared or "").split("-")[0])
    if base and confidence < MIN_CONFIDENCE and base in {code for code, _ in ranking[:2]}:
        return Language(code=base, confidence=MIN_CONFIDENCE, alternatives=_scores(ranking, but=base))
    if confidence < MIN_CONFIDENCE or ranking[0][0] == NO_LANGUAGE:
        return Language(code="und", confidence=0.0, alternatives=_scores(ranking, but=NO_LANGUAGE))
    return Language(
        code=ranking[0][0], confidence=round(confidence, 4), alternatives=_scores(ranking, but=ranking[0][0])
    )


def _says_translated(edge: str) -> bool:
    lower = edge.lower()
    return any(stem in lower for stem in TRANSLATION_STEMS) and bool(TRANSLATED.search(lower))


def mixture_of(text: str, found: Language) -> tuple[LanguageShare, ...]:
    """The languages of a text in several languages, with their shares of the letters. Empty for other texts."""
    sample = text[:MIXED_CHARACTERS]
    if len(sample) < MIN_MIXED_LETTERS or not _may_be_mixed(sample):
        return ()
    letters: dict[str, int] = {}
    for line in sample.split("\n"):
        count = len(NOT_LETTERS.sub("", line))
        if count >= MIN_LINE_LETTERS:
            code = language_of(line, found.code).code
            letters[code] = letters.get(code, 0) + count
    letters.pop("und", None)
    total = sum(letters.values())
    shares = sorted(((count / total, code) for code, count in letters.items()), reverse=True)
    large = [(share, code) for share, code in shares if share >= MIN_MIXED_SHARE]
    return tuple(LanguageShare(code=code, share=round(share, 3)) for share, code in large) if len(large) > 1 else ()


def _may_be_mixed(sample: str) -> bool:
    """Whether pycld2 finds a second language."""
    try:
        _, _, details = pycld2.detect(sample)
    except (pycld2.error, UnicodeError):
        return False
    return any(code != "un" and percent >= 100 * MIN_MIXED_SHARE for _, code, percent, _ in details[1:])


def _rank(sample: str, opinion: str, *, is_reliable: bool) -> list[tuple[str, float]]:
    """Languages with their corrected log likelihood, best first."""
    likelihood: dict[str, float] = {}
    for code, score in _identifier().rank(sample)[:12]:
        name = SAME.get(code, code)
        likelihood[name] = max(likelihood.get(name, -math.inf), float(score) - _penalty(name))
    if opinion in likelihood and opinion != "en":
        likelihood[opinion] += CLD2_WEIGHT if is_reliable else CLD2_WEIGHT / 2
    return sorted(likelihood.items(), key=lambda item: -item[1])


def _penalty(code: str) -> float:
    if code == "en":
        return ENGLISH_PENALTY
    return RARE_PENALTY if code in RARE else UNUSUAL_PENALTY if code in UNUSUAL else 0.0


def _confidence(ranking: Sequence[tuple[str, float]], opinion: str) -> float:
    """The share of correct answers among answers with such likelihoods."""
    first = ranking[0]
    rival = next((likelihood for code, likelihood in ranking[1:] if _group(code) != _group(first[0])), -math.inf)
    lead = first[1] - rival
    logit = OFFSET + SLOPE * math.log1p(max(0.0, lead)) + (AGREEMENT if opinion == ranking[0][0] else 0.0)
    return 1 / (1 + math.exp(-logit))


def _group(code: str) -> str:
    """A common code for varieties that a headline cannot distinguish. They count as one language in the confidence."""
    return next((min(group) for group in CLOSE if code in group), code)


def _scores(ranking: Sequence[tuple[str, float]], but: str) -> tuple[LanguageScore, ...]:
    """All candidates except `but`. Each score is the likelihood relative to the first candidate, at most 1."""
    best = ranking[0][1]
    scored = [(code, min(1.0, math.exp(max(-700.0, likelihood - best)))) for code, likelihood in ranking if code != but]
    return tuple(LanguageScore(code=code, confidence=round(score, 4)) for code, score in scored[:MAX_ALTERNATIVES])


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=False)


def _cld2(sample: str) -> tuple[str, bool]:
    """The best guess of pycld2, or "" without a guess, and whether pycld2 calls it reliable."""
    try:
        reliable, _, details = pycld2.detect(sample, bestEffort=True)
    except (pycld2.error, UnicodeError):
        return "", False
    code = details[0][1]
    return ("", False) if code == "un" else (SAME.get(code, code), bool(reliable))

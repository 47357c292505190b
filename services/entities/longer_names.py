"""Tests whether a known name is only a part of another name: Manchester City, Air Berlin, Brent Montgomery, Boeing 747."""

from __future__ import annotations

import re

from services.entities.mentions import Span
from services.entities.records import Known

NOUNS_HAVE_CAPITALS = frozenset({"de", "lb"})
"""Languages in which a capital beside a name means nothing, because all nouns have capitals."""
NEXT_CAPITAL = re.compile(r"[ \u00a0-](?P<word>[^\W\d_a-zß-öø-ÿа-яёіїєґα-ω][^\W\d_]*)")
NEXT_NUMBER = re.compile(r"[ \u00a0-][A-Z]?\d{2}")
MONEY = re.compile(r"[ \u00a0]?[$€£]")
PREVIOUS = re.compile(r"(?P<before>^|[.!?:…\n\"“„«(]\s*)?(?P<word>[^\W\d_]+)[ \u00a0-]$")
SECOND_HALF = re.compile(r"(?<![^\W_])[^\W\d_a-z][^\W\d_]+-$")
"""The first half of a name with a hyphen, as in Tsjecho-Slowakije."""
BODY = re.compile(
    r"^(?:Airlines?|Airways|Air|Daily|Times|Post|Today|Globe|Herald|Tribune|Journal|News|Bank|University|College|School|Institute|International|"
    r"Open|Cup|League|City|United|Town|Rovers|Wanderers|Academical|Athletic|County|Parish|Broadcasting|Radio|Television|TV|Organization|"
    r"Organisation|Foundation|Tower|Hotel|Hospital|Group|Holdings|Corps|Records|Motors|Museum|Orchestra|Opera|Philharmonic|Stock|Exchange|"
    r"Universidad|Universität|Université|Università)$"
)
"""Words behind a name that make it the name of a body, a club or a newspaper."""
OFFICES = re.compile(
    r"^(?:CEO|CFO|COO|CTO|Chief|President|Chairman|Chairwoman|Chair|Vice|Prime|Premier|Foreign|Defen[cs]e|Finance|Interior|Minister|Secretary|"
    r"Ambassador|Senator|Governor|Mayor|Inc|Corp|Co|Ltd|Computer|SE|AG|SA|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|January|"
    r"February|March|April|May|June|July|August|September|October|November|December)$"
)
"""Words behind a name that do not change its meaning."""
BEFORE_NAMES = frozenset(
    {
        "air",
        "la",
        "el",
        "fc",
        "ac",
        "real",
        "inter",
        "new",
        "east",
        "west",
        "north",
        "south",
        "port",
        "saint",
        "san",
        "st",
    }
)
"""Words in front of a name that make it another name, also at the beginning of a sentence."""
DOLLARS = re.compile(r"[ \u00a0-][Dd]ollar")
IDEOGRAPHIC_BODY = re.compile(
    r"[\u4e00-\u9fff]{0,4}(?:公司|大学|大學|银行|銀行|航空|日报|日報|时报|時報|新聞|集团|集團|队|隊)"
)
BEHIND = {
    "PER": (),
    "LOC": (MONEY, DOLLARS, IDEOGRAPHIC_BODY),
    "ORG": (MONEY, IDEOGRAPHIC_BODY, NEXT_NUMBER),
}  # fmt: skip
"""For each type: patterns directly behind a name that make it another name."""
MAX_TITLE_CASE = 0.6
"""Share of words with capitals above which a headline is in title case. Capitals then mean nothing."""
WORD = re.compile(r"[^\W\d_]{4,}")


def is_part_of_name(span: Span, known: Known, text: str, language: str) -> bool:
    """Whether the words beside a span make it a longer name.

    The name of a country is part of a longer name only before words of bodies and numbers.
    """
    behind = NEXT_CAPITAL.match(text, span.end)
    word = behind["word"] if behind else ""
    after = NEXT_CAPITAL.match(text, behind.end()) if behind else None
    if BODY.match(word) or (after is not None and BODY.match(after["word"])):
        return True
    if SECOND_HALF.search(text, max(0, span.start - 30), span.start) or any(
        pattern.match(text, span.end) for pattern in BEHIND[known.type]
    ):
        return True
    is_country = known.type == "LOC" and known.lat is None
    if is_country or language in NOUNS_HAVE_CAPITALS or (span.field == "title" and _is_title_case(text)):
        return False
    if known.type == "PER" or span.surface.isupper() or (known.type == "ORG" and " " in span.surface):
        return False
    is_followed = bool(word and not OFFICES.match(word))
    return is_followed or (" " not in span.surface and _follows_a_name(span, text))


def _follows_a_name(span: Span, text: str) -> bool:
    """Whether a word with a capital is directly in front. A word at the beginning of a sentence counts only if listed."""
    match = PREVIOUS.search(text, max(0, span.start - 30), span.start)
    if match is None or not match["word"][0].isupper():
        return False
    starts_sentence = match["before"] is not None
    return match["word"].casefold() in BEFORE_NAMES if starts_sentence else True


def _is_title_case(text: str) -> bool:
    words = WORD.findall(text)
    return bool(words) and sum(word[0].isupper() for word in words) > MAX_TITLE_CASE * len(words)

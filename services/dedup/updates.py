"""Agency updates: an agency sends a text again with "2nd lead" or "UPDATE 3", and it replaces the earlier text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from services.common.derived import lines_in_order
from services.dedup.articles import ArticlePart

LOOKED_AT = 300
"""Characters at the beginning of the text, with its removed lines, that are searched. A slug or a headline is there."""
NUMBERED = re.compile(
    r"""
    \b(?P<before>\d{1,2})(?:st|nd|rd|th|e|ª|º|\.)?\s*(?:lead|ld|update|writethru|zusammenfassung|neufassung
        |aktualisierung|mise\ à\ jour|actualisation|actualizaci[oó]n|ampliaci[oó]n|aggiornamento|atualiza[cç][aã]o)\b
    | \b(?:update|updated|wrapup|writethru|lead|roundup|zusammenfassung|aktualisierung|actualizaci[oó]n|ampliaci[oó]n
        |aggiornamento|atualiza[cç][aã]o|обновление|更新)\s*[-:#]?\s*(?P<after>\d{1,2})\b
    | 第(?P<east>\d{1,2})次更新
    """,
    re.IGNORECASE | re.VERBOSE,
)
UNNUMBERED = re.compile(
    r"(?:^|[\s(\[])(?:UPDATE|UPDATED|CORRECTED|CORRECTION|REFILE|ROUNDUP|WRAPUP|AMPLIACI[OÓ]N|AGGIORNAMENTO|RECTIFICATIF"
    r"|ACTUALISATION|BERICHTIGUNG|NEUFASSUNG|ATUALIZA[CÇ][AÃ]O|ОБНОВЛЕНО|ДОПОЛНЕНО)(?=[\s:)\]-])|[（(【]更新[】)）]"
)
FIRST_UPDATE = 1
SOON = timedelta(days=1)
"""If an agency's text differs only in facts, it is an update within this time, and later another report of its kind."""


def version_of(article: ArticlePart) -> int:
    """The number of the update that an article says it is, or 0 if it says nothing."""
    lines = (line for line, _ in lines_in_order(article.text, article.removed))
    text = f"{article.title or ''}\n{beginning(lines)}"
    numbered = [int(next(group for group in match.groups() if group)) for match in NUMBERED.finditer(text)]
    return max(numbered, default=FIRST_UPDATE if UNNUMBERED.search(text) else 0)


def beginning(lines: Iterable[str]) -> str:
    """The first characters of these lines."""
    text = ""
    for line in lines:
        text += f"{line}\n"
        if len(text) >= LOOKED_AT:
            break
    return text[:LOOKED_AT]


def is_update(article: ArticlePart, earlier: ArticlePart, *, same_facts: bool) -> bool:
    """Whether an article says that it is a later version of an article with the same text and agency or outlet."""
    if not same_facts and not is_soon(article, earlier):
        return False
    same_agency = article.agency is not None and article.agency == earlier.agency
    if not same_agency and article.source_id != earlier.source_id:
        return False
    return version_of(article) > version_of(earlier)


def is_soon(article: ArticlePart, earlier: ArticlePart) -> bool:
    """Whether both were fetched within one day of each other, and the dates that they state are that close too."""
    if abs(article.fetched_at - earlier.fetched_at) > SOON:
        return False
    one, other = article.published_at, earlier.published_at
    return one is None or other is None or abs(one - other) <= SOON

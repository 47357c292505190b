"""Turns the edits of people into pairs of articles for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.article import DateSource, RawArticle
from schemas.story import EditAction, StoryEdit


def pairs_of(edits: Iterable[StoryEdit]) -> Iterator[tuple[str, str, bool]]:
    """Pairs of article ids, and whether the two belong together. If edits contradict each other, the later one wins."""
    pairs: dict[tuple[str, str], bool] = {}
    for edit in edits:
        anchor = edit.articles[0] if edit.action is EditAction.MERGE else edit.other
        for article_id in edit.articles:
            if anchor and article_id != anchor:
                one, other = sorted((article_id, anchor))
                pairs[one, other] = edit.action is not EditAction.SPLIT
    for (one, other), same in pairs.items():
        yield one, other, same


def to_raw(document: dict[str, Any]) -> dict[str, Any]:
    """The raw article of an indexed document. Raises ValueError if the document is not an article.

    A date that was found in the text is left out, because the source did not state it. The pipeline finds it again.
    """
    fields = {name: document[name] for name in RawArticle.model_fields if document.get(name) is not None}
    if document.get("published_at_source") != DateSource.FEED:
        fields.pop("published_at", None)
    raw: dict[str, Any] = RawArticle.model_validate(fields, strict=False).model_dump(mode="json")
    return raw

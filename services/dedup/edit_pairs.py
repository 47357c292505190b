"""What people decided on stories, as pairs of articles to train on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.article import DateSource, RawArticle
from schemas.story import EditAction, StoryEdit


def pairs_of(edits: Iterable[StoryEdit]) -> Iterator[tuple[str, str, bool]]:
    """Two article ids and whether they belong together; of edits that contradict each other the later one counts."""
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
    """The raw article behind an indexed one; ValueError where it is none.

    A date that was found in the text is left to be found again: the source did not state it.
    """
    fields = {name: document[name] for name in RawArticle.model_fields if document.get(name) is not None}
    if document.get("published_at_source") != DateSource.FEED:
        fields.pop("published_at", None)
    raw: dict[str, Any] = RawArticle.model_validate(fields, strict=False).model_dump(mode="json")
    return raw

"""Turns the edits of people into pairs of articles for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.article import ContentType, DateSource, RawArticle, RemovedLine
from schemas.story import EditAction, StoryEdit
from services.common.derived import lines_in_order


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
    """A raw article that says what an indexed document says. Raises ValueError if the document is not an article.

    Its content is the text with the lines that were removed, so that it needs no raw article on Kafka.
    A date that was found in the text is left out, because the source did not state it. The pipeline finds it again.
    """
    fields = {name: document[name] for name in RawArticle.model_fields if document.get(name) is not None}
    if document.get("published_at_source") != DateSource.FEED:
        fields.pop("published_at", None)
    fields.pop("schema_version", None)
    removed = [RemovedLine.model_validate(line) for line in document.get("removed", ())]
    if "content" not in fields:  # a document of schema version 1 has it
        fields["content"] = "\n".join(line for line, _ in lines_in_order(document.get("text", ""), removed))
        fields["content_type"] = ContentType.TEXT
    raw: dict[str, Any] = RawArticle.model_validate(fields, strict=False).model_dump(mode="json")
    return raw

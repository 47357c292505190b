"""Records to documents: the fields as in the schema, and a few that only the index has."""

from __future__ import annotations

from typing import Any

from schemas.article import GroupedArticle
from schemas.story import Story
from services.common.languages import analyzer_for


def to_article_document(article: GroupedArticle) -> dict[str, Any]:
    """The document of an article: its vector as signed hex, `localized` for its language's analyzer only."""
    document = article.model_dump(mode="json", exclude={"embedding"})
    document["embedding"] = article.embedding.hex() if article.embedding else None
    for place in document["places"]:
        place["location"] = {"lat": place["lat"], "lon": place["lon"]}
    analyzer = analyzer_for(article.language.code)
    if analyzer:
        document["localized"] = {analyzer: {"title": article.title, "text": article.text}}
    return document


def to_story_document(story: Story) -> dict[str, Any]:
    """The document of a story: the record itself."""
    return story.model_dump(mode="json")

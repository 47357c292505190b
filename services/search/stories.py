"""Reads stories and their articles from Elasticsearch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from services.search.search import SearchError, answered

MIN_PREFIX = 8
MEMBERS_SHOWN = 50
TITLE_CHARACTERS = 100
LEFT_OUT = ["paragraphs", "embedding", "localized", "dates", "rejected_dates", "unlinked"]


def title_of(article: dict[str, Any]) -> str:
    """The title of an article, or the beginning of its text."""
    return str(article["title"] or article["text"][:TITLE_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Library:
    """Reads the articles and the stories through their aliases."""

    client: Elasticsearch
    articles: str
    stories: str

    def article(self, name: str) -> dict[str, Any]:
        """The article with an id, the start of an id, a guid or a URL. Raises SearchError unless it is exactly one."""
        exact = {"bool": {"should": [{"ids": {"values": [name]}}, {"term": {"guid": name}}, {"term": {"url": name}}]}}
        found = self._search(self.articles, exact, 2)
        if not found and len(name) >= MIN_PREFIX:
            found = self._search(self.articles, {"prefix": {"article_id": name.lower()}}, 2)
        if not found:
            raise SearchError(f"No article has the id, guid or URL {name!r}. `dragoman search` shows ids with --json.")
        if len(found) > 1:
            raise SearchError(f"{name!r} names more than one article; write more of the id.")
        return found[0]

    def story(self, name: str) -> dict[str, Any]:
        """The story with an id or the beginning of an id. Raises SearchError unless it is exactly one."""
        query = {"ids": {"values": [name]}} if len(name) < MIN_PREFIX else {"prefix": {"story_id": name.lower()}}
        found = self._search(self.stories, query, 2)
        if len(found) != 1:
            problem = "names more than one story; write more of the id" if found else "names no story"
            raise SearchError(f"{name!r} {problem}.")
        return found[0]

    def follow(self, story: dict[str, Any]) -> dict[str, Any]:
        """The story that a merged story is part of now, or the same story if it was not merged."""
        seen = {story["story_id"]}
        while story.get("merged_into") and story["merged_into"] not in seen:
            seen.add(story["merged_into"])
            story = self.story(story["merged_into"])
        return story

    def members(self, story_id: str, size: int = MEMBERS_SHOWN) -> list[dict[str, Any]]:
        """The articles of a story, in the order in which they were fetched."""
        return self._search(self.articles, {"term": {"story_id": story_id}}, size, sort=["fetched_at"])

    def latest(self, language: str | None, since: str | None, size: int) -> list[dict[str, Any]]:
        """Stories that were not merged into another. The story with the latest news comes first."""
        filters: list[dict[str, Any]] = []
        if language:
            filters.append({"term": {"languages": language}})
        if since:
            filters.append({"range": {"last_seen_at": {"gte": since}}})
        query = {"bool": {"filter": filters, "must_not": [{"exists": {"field": "merged_into"}}]}}
        return self._search(self.stories, query, size, sort=[{"last_seen_at": "desc"}, {"articles": "desc"}])

    def titles(self, ids: list[str]) -> dict[str, str]:
        """The titles of articles and stories, by id. Unknown ids are left out."""
        found = self._search(self.articles, {"ids": {"values": ids}}, max(1, len(ids)))
        titles = {article["article_id"]: title_of(article) for article in found}
        others = [name for name in ids if name not in titles]  # most stories have the id of their first article
        stories = self._search(self.stories, {"ids": {"values": others}}, len(others)) if others else []
        return titles | {story["story_id"]: story["title"] for story in stories if story["title"]}

    def member(self, name: str) -> dict[str, Any]:
        """The article that `name` names, or the most central article of the story that it names.

        Raises SearchError if it names neither.
        """
        try:
            return self.article(name)
        except SearchError as error:
            try:
                editions = self.follow(self.story(name))["editions"]
            except SearchError:
                raise error from None
            if not editions:
                raise
            return self.article(editions[0]["article_id"])

    def _search(
        self, index: str, query: dict[str, Any], size: int, sort: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        ask = lambda: self.client.search(  # noqa: E731 - `answered` sends this one request
            index=index, query=query, size=size, sort=sort, source={"excludes": LEFT_OUT}
        )
        return [hit["_source"] for hit in answered(ask, index)["hits"]["hits"]]

"""Stories and the articles in them, as Elasticsearch has them."""

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
    """What an article is called: its title, or the beginning of its text."""
    return str(article["title"] or article["text"][:TITLE_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Library:
    """The two indices behind their aliases."""

    client: Elasticsearch
    articles: str
    stories: str

    def article(self, name: str) -> dict[str, Any]:
        """The article of an id, the beginning of one, a guid or a URL; SearchError where it is none or several."""
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
        """The story of an id or the beginning of one; SearchError where it is none or several."""
        query = {"ids": {"values": [name]}} if len(name) < MIN_PREFIX else {"prefix": {"story_id": name.lower()}}
        found = self._search(self.stories, query, 2)
        if len(found) != 1:
            problem = "names more than one story; write more of the id" if found else "names no story"
            raise SearchError(f"{name!r} {problem}.")
        return found[0]

    def follow(self, story: dict[str, Any]) -> dict[str, Any]:
        """The story in which a merged one ended; itself where it was not merged."""
        seen = {story["story_id"]}
        while story.get("merged_into") and story["merged_into"] not in seen:
            seen.add(story["merged_into"])
            story = self.story(story["merged_into"])
        return story

    def members(self, story_id: str, size: int = MEMBERS_SHOWN) -> list[dict[str, Any]]:
        """The story's articles, in the order in which they were fetched."""
        return self._search(self.articles, {"term": {"story_id": story_id}}, size, sort=["fetched_at"])

    def latest(self, language: str | None, since: str | None, size: int) -> list[dict[str, Any]]:
        """Stories that were not merged, the last one with news first."""
        filters: list[dict[str, Any]] = []
        if language:
            filters.append({"term": {"languages": language}})
        if since:
            filters.append({"range": {"last_seen_at": {"gte": since}}})
        query = {"bool": {"filter": filters, "must_not": [{"exists": {"field": "merged_into"}}]}}
        return self._search(self.stories, query, size, sort=[{"last_seen_at": "desc"}, {"articles": "desc"}])

    def titles(self, ids: list[str]) -> dict[str, str]:
        """What articles and stories are called, by id; those that are not there are left out."""
        found = self._search(self.articles, {"ids": {"values": ids}}, max(1, len(ids)))
        titles = {article["article_id"]: title_of(article) for article in found}
        others = [one for one in ids if one not in titles]  # most stories have the id of their first article
        stories = self._search(self.stories, {"ids": {"values": others}}, len(others)) if others else []
        return titles | {story["story_id"]: story["title"] for story in stories if story["title"]}

    def member(self, name: str) -> dict[str, Any]:
        """The article that this names, or the most central one of the story that it names; SearchError for neither."""
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
        ask = lambda: self.client.search(  # noqa: E731 - one request, asked in `answered`
            index=index, query=query, size=size, sort=sort, source={"excludes": LEFT_OUT}
        )
        return [hit["_source"] for hit in answered(ask, index)["hits"]["hits"]]

"""Reads stories and their articles from Elasticsearch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from services.common.derived import cut
from services.search.search import SearchError, answered

MIN_PREFIX = 8
MEMBERS_SHOWN = 50
TITLE_CHARACTERS = 100
LEFT_OUT = ["content", "paragraphs", "removed", "embedding", "localized", "dates", "rejected_dates", "unlinked"]


def title_of(article: dict[str, Any]) -> str:
    """The headline of an article."""
    return str(article["title"] or article.get("headline") or article["text"][:TITLE_CHARACTERS])


def headline_in(story: dict[str, Any], languages: Sequence[str] = ()) -> str:
    """The headline of a story in the first of these languages that it has, or else the one of most articles.

    `languages` are a reader's languages (BCP 47), the most wanted first.
    """
    editions = {edition["language"]: edition for edition in story.get("editions", ())}
    for language in languages:
        for code, edition in editions.items():
            if code == language or code.split("-")[0] == language.split("-")[0]:
                return headline_in_edition(edition)
    named = (edition for edition in editions.values() if edition["title"] or edition["sentence"])
    first = next(map(headline_in_edition, named), "-")
    return str(story["title"] or story.get("headline") or first)


def headline_in_edition(edition: dict[str, Any]) -> str:
    """The headline of a story in one language. One of schema version 1 may have no more than a sentence."""
    return str(edition["title"] or edition.get("headline") or cut(edition["sentence"] or "-", TITLE_CHARACTERS))


@dataclass(frozen=True, slots=True)
class Library:
    """Reads the articles and the stories through their aliases. `every_story` has merged stories too."""

    client: Elasticsearch
    articles: str
    stories: str
    every_story: str

    def article(self, name: str) -> dict[str, Any]:
        """The article with an id, the start of an id, a guid or a URL. Raises SearchError unless it is exactly one.

        What only few readers need is left out. `whole_article` has it.
        """
        exact = {"bool": {"should": [{"ids": {"values": [name]}}, {"term": {"guid": name}}, {"term": {"url": name}}]}}
        found = self._search(self.articles, exact, 2)
        if not found and len(name) >= MIN_PREFIX:
            found = self._search(self.articles, {"prefix": {"article_id": name.lower()}}, 2)
        if not found:
            raise SearchError(f"No article has the id, guid or URL {name!r}. `dragoman search` shows ids with --json.")
        if len(found) > 1:
            raise SearchError(f"{name!r} names more than one article; write more of the id.")
        return found[0]

    def whole_article(self, article_id: str) -> dict[str, Any]:
        """The article with an id, with its removed lines. Raises SearchError if there is none."""
        found = self._search(self.articles, {"ids": {"values": [article_id]}}, 1, left_out=("embedding", "localized"))
        if not found:
            raise SearchError(f"No article has the id {article_id!r}.")
        return found[0]

    def story(self, name: str) -> dict[str, Any]:
        """The story with an id or the beginning of an id. Raises SearchError unless it is exactly one."""
        query = {"ids": {"values": [name]}} if len(name) < MIN_PREFIX else {"prefix": {"story_id": name.lower()}}
        found = self._search(self.every_story, query, 2)
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
        return self._search(
            self.stories, {"bool": {"filter": filters}}, size, sort=[{"last_seen_at": "desc"}, {"articles": "desc"}]
        )

    def titles(self, ids: list[str]) -> dict[str, str]:
        """The titles of articles and stories, by id. Unknown ids are left out."""
        found = self._search(self.articles, {"ids": {"values": ids}}, max(1, len(ids)))
        titles = {article["article_id"]: title_of(article) for article in found}
        others = [name for name in ids if name not in titles]  # most stories have the id of their first article
        stories = self._search(self.every_story, {"ids": {"values": others}}, len(others)) if others else []
        return titles | {story["story_id"]: headline_in(story) for story in stories if story["title"]}

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
        self,
        index: str,
        query: dict[str, Any],
        size: int,
        sort: list[Any] | None = None,
        left_out: Sequence[str] = LEFT_OUT,
    ) -> list[dict[str, Any]]:
        ask = lambda: self.client.search(  # noqa: E731 - `answered` sends this one request
            index=index, query=query, size=size, sort=sort, source={"excludes": list(left_out)}
        )
        return [hit["_source"] for hit in answered(ask, index)["hits"]["hits"]]

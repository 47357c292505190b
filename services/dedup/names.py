"""The names and places of the entities of live articles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

from schemas.article import EntityType
from schemas.story import StoryEntity
from services.dedup.articles import ArticlePart


class NamedEntity(NamedTuple):
    """An entity of an article. A place has coordinates (WGS 84 degrees)."""

    id: str
    type: EntityType
    name: str
    country: str | None
    lat: float | None
    lon: float | None


def entities_of(article: ArticlePart) -> tuple[NamedEntity, ...]:
    """The entities of an article."""
    places = {place.id: place for place in article.places}
    found = []
    for entity in article.entities:
        at = places.get(entity.id) if entity.type is EntityType.LOCATION else None
        place = (at.lat, at.lon) if at else (None, None)
        found.append(NamedEntity(entity.id, entity.type, entity.name, entity.country, *place))
    return tuple(found)


@dataclass(slots=True)
class EntityNames:
    """The entities of live articles by the hash of their id."""

    _known: dict[int, tuple[int, NamedEntity]] = field(default_factory=dict)

    def add(self, entities: Iterable[NamedEntity], slot: int) -> None:
        """Add the entities of an article. The gazetteer limits how many there can be.

        Of two articles that name an entity, the one with the lower slot counts, in whatever order they are added.
        """
        for entity in entities:
            key = crc32(entity.id.encode())
            known = self._known.get(key)
            if known is None or slot < known[0]:
                self._known[key] = slot, entity

    def id_of(self, key: int) -> str | None:
        """The id of the entity with this hash, or None if there is none."""
        known = self._known.get(key)
        return known[1].id if known else None

    def counted(self, key: int, articles: int) -> StoryEntity | None:
        """The entity with its number of articles, or None if no entity has this hash."""
        known = self._known.get(key)
        return StoryEntity(articles=articles, **known[1]._asdict()) if known else None

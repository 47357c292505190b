"""Stage: who and what is named, with Wikidata ids."""

from services.entities.link import VERSION, link

__all__ = ["VERSION", "link"]

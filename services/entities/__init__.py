"""Stage: who and what is named, with Wikidata ids."""

from services.entities.link import VERSION, link
from services.entities.linker import EntityLinker
from services.entities.settings import EntitySettings

__all__ = ["VERSION", "EntityLinker", "EntitySettings", "link"]

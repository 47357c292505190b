"""Looks into a gazetteer by the Wikidata id of its entities."""

from __future__ import annotations

from services.entities.gazetteer import Gazetteer
from services.entities.records import Known


def by_id(gazetteer: Gazetteer) -> dict[str, Known]:
    """The entities by id."""
    return {entity.id: entity for entity in gazetteer.entities}


def spellings(gazetteer: Gazetteer, qid: str) -> dict[str, str]:
    """The spellings of one entity → languages, joined by commas. `*` means all languages."""
    return {
        text: ",".join(sorted(alias.languages or "*"))
        for text, aliases in gazetteer.by_text.items()
        for alias in aliases
        if gazetteer.entities[alias.entity].id == qid
    }

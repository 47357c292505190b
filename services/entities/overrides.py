"""Applies additions and corrections from a user's YAML file. The gazetteer file does not change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from services.entities.records import Alias, Known

if TYPE_CHECKING:
    from services.entities.gazetteer import Loader


class Correction(BaseModel):
    """One entity of the file: a new entity, or changes to a known entity with this id."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        pattern=r"^(Q[0-9]+|[a-z]+:\S+)$", description="a Wikidata id (Q…), or an id of your own such as local:harbour"
    )
    type: Literal["PER", "ORG", "LOC"] | None = None
    name: str | None = None
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    prominence: float = Field(default=0.5, ge=0, le=1)
    add: dict[str, list[str]] = Field(default_factory=dict, description="spellings by language, * for all")
    remove: list[str] = Field(default_factory=list, description="spellings that must not lead to this entity")


class Corrections(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    entities: list[Correction]


def apply_overrides(loader: Loader, path: Path) -> None:
    """Add and remove spellings as the file says. ValueError says what is wrong in the file."""
    try:
        content = YAML(typ="safe").load(path)
        corrections = Corrections.model_validate(content)
    except YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path}: {where}: {first['msg']}") from error
    for entry in corrections.entities:
        if entry.id not in loader.indexes:
            if entry.name is None or entry.type is None:
                raise ValueError(f"{path}: {entry.id} is not in the gazetteer, so it needs a name and a type")
            loader.add(
                Known(
                    entry.id,
                    entry.type,
                    entry.name,
                    entry.country,
                    entry.prominence,
                    None,
                    None,
                    None,
                    None,
                )
            )
        index = loader.indexes[entry.id]
        for language, texts in entry.add.items():
            codes = None if language == "*" else frozenset({language})
            for text in texts:
                loader.spellings.setdefault(text, []).append(Alias(index, codes))
        for text in entry.remove:
            loader.spellings[text] = [alias for alias in loader.spellings.get(text, []) if alias.entity != index]

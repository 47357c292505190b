"""Settings of the entity stage."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import Settings


class EntitySettings(Settings):
    """The settings that say where names come from."""

    gazetteer: Path | None = Field(
        default=None, description="gazetteer made by `dragoman entities build`, instead of the shipped one"
    )
    entities: Path | None = Field(
        default=None, description="YAML file of added and corrected names. If not set, `entities.yaml` in the home"
    )
    names: str = Field(
        default="off",
        pattern=r"^(off|crf|spacy:.+|gliner:.+)$",
        description="finder for names that no list holds: `off`, `crf` (shipped), `spacy:PIPELINE`, `gliner:FOLDER`",
    )

"""The entities stage: a gazetteer, the corrections of a user, and a finder for names that no list holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from schemas.article import ArticleDraft
from services.entities.gazetteer import Gazetteer, load_gazetteer
from services.entities.link import VERSION, link
from services.entities.names import NameFinder
from services.entities.settings import EntitySettings
from services.entities.unknown import name_finder

OVERRIDES_FILE = "entities.yaml"
HASH_CHARACTERS = 8


@dataclass(frozen=True)
class EntityLinker:
    """Links entities as these settings say. The gazetteer is loaded on first use, and kept."""

    settings: EntitySettings

    def link(self, draft: ArticleDraft) -> ArticleDraft:
        """Add `entities`, `unlinked` and `places`, found in title and text."""
        return link(draft, self.gazetteer, self.finder)

    @cached_property
    def gazetteer(self) -> Gazetteer:
        """The gazetteer. If it cannot be read, OSError, EOFError, ValueError or LookupError says why."""
        return load_gazetteer(self.settings.gazetteer, self.overrides)

    @property
    def finder(self) -> NameFinder | None:
        """The finder for names that no list holds. None if it is off."""
        return name_finder(self.settings.names)

    @property
    def overrides(self) -> Path | None:
        """The user's file of added and corrected names. None if there is no such file."""
        path = self.settings.entities or self.settings.home / OVERRIDES_FILE
        return path if path.is_file() else None

    @cached_property
    def version(self) -> str:
        """The version of the stage. If a user has changed its data, a `+` and a hash of the changes follow."""
        digest = hashlib.sha256()
        is_own = False
        for path in (self.settings.gazetteer, self.overrides):
            if path is not None and path.is_file():
                is_own = True
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            digest.update(b";")
        if self.settings.names != "off":
            is_own = True
            digest.update(self.settings.names.encode())
        return f"{VERSION}+{digest.hexdigest()[:HASH_CHARACTERS]}" if is_own else VERSION

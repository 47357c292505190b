"""Makes gazetteer files: the shipped one (tools/gazetteer.py), and one of a user from a Wikidata dump (`wikidata.py`).

There are three kinds of lines. `E` is an entity. `A` is an alias of the entity with that index. `D` is the stem of an
adjective in a language, with its country. The languages of an alias are `*` for all languages.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.entities.gazetteer import is_alias_usable

MIN_POPULATION = 30_000
COUNTRY_PROMINENCE = 0.9


@dataclass(slots=True)
class Builder:
    """Entities by id, aliases as (text, entity id) → languages, and demonyms as (language, stem) → country."""

    entities: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    demonyms: dict[tuple[str, str], str] = field(default_factory=dict)

    def entity(  # noqa: PLR0913, PLR0917 - the columns of the file
        self,
        qid: str,
        kind: str,
        name: str,
        country: str = "",
        prominence: float = 0.0,
        lat: str = "",
        lon: str = "",
        start: str = "",
        end: str = "",
        roles: str = "",
    ) -> None:
        """Add an entity. The first source that has it wins."""
        self.entities.setdefault(qid, [qid, kind, name, country, f"{prominence:.2f}", lat, lon, start, end, roles])

    def alias(self, text: str, qid: str, language: str) -> None:
        """Add a spelling of an entity for one language. `*` means all languages."""
        clean = " ".join(text.replace("’", "'").split())
        if is_alias_usable(clean):
            self.aliases[clean, qid].add(language)

    def lines(self) -> Iterator[str]:
        """The lines of the file: entities in order, then sorted aliases, then sorted demonyms."""
        index = {qid: number for number, qid in enumerate(self.entities)}
        for row in self.entities.values():
            yield "\t".join(("E", *row))
        for (text, qid), languages in sorted(self.aliases.items()):
            joined = "*" if "*" in languages else ",".join(sorted(languages))
            yield f"A\t{text}\t{index[qid]}\t{joined}"
        for (language, stem), country in sorted(self.demonyms.items()):
            yield f"D\t{language}\t{stem}\t{country}"


def write(builder: Builder, path: Path) -> None:
    """Write a gazetteer file completely or not at all. The same content gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        for line in builder.lines():
            file.write(f"{line}\n".encode())
    part.replace(path)

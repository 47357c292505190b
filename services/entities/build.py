"""Builds `data/gazetteer.tsv.gz` and its manifest from the shared sources. Run by hand when a source changes.

    python -m services.entities.build SOURCES        (a folder with gazetteer/, people/ and entities/)

Two kinds of line: `E` an entity, `A` an alias of the entity with that index. An alias's languages are `*` for all.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from babel import Locale, UnknownLocaleError

from services.entities.gazetteer import DATA, MANIFEST, is_alias_usable

LANGUAGES = (
    *("af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "eo", "es", "et", "eu"),
    *(
        "fa",
        "fi",
        "fil",
        "fr",
        "ga",
        "gl",
        "gu",
        "he",
        "hi",
        "hr",
        "hu",
        "hy",
        "id",
        "is",
        "it",
        "ja",
        "ka",
        "kk",
        "km",
    ),
    *("kn", "ko", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "nb", "ne", "nl", "pa", "pl", "ps", "pt", "ro"),
    *("ru", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tr", "uk", "ur", "uz", "vi", "zh", "zu"),
)
"""The locales whose country names are taken from CLDR."""
PLACE_LANGUAGES = {"zh": "zh"}
MIN_POPULATION = 30_000
NETHERLANDS = {"Q29999": "Q55"}
"""The source names the Kingdom; news means the country."""
COUNTRY_PROMINENCE = 0.9
KNOWN_PROMINENCE = 1.0
LEADERS = (
    "President",
    "Prime Minister",
    "Chancellor",
    "King",
    "Queen",
    "Premier",
    "General Secretary",
    "Monarch",
    "Pope",
)
NO_END = ""


@dataclass(slots=True)
class Builder:
    """Entities by id, and aliases: (text, entity id) → languages."""

    entities: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    sources: list[dict[str, object]] = field(default_factory=list)

    def entity(  # noqa: PLR0913, PLR0917 - a row of the file
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
    ) -> None:
        """Add an entity; the first source that knows it wins."""
        self.entities.setdefault(qid, [qid, kind, name, country, f"{prominence:.2f}", lat, lon, start, end])

    def alias(self, text: str, qid: str, language: str) -> None:
        """Add a spelling of an entity for one language, `*` for all."""
        clean = " ".join(text.replace("’", "'").split())
        if is_alias_usable(clean):
            self.aliases[clean, qid].add(language)

    def lines(self) -> Iterator[str]:
        """The file's lines: entities in order, then aliases, sorted."""
        index = {qid: number for number, qid in enumerate(self.entities)}
        for row in self.entities.values():
            yield "\t".join(("E", *row))
        for (text, qid), languages in sorted(self.aliases.items()):
            joined = "*" if "*" in languages else ",".join(sorted(languages))
            yield f"A\t{text}\t{index[qid]}\t{joined}"


def add_variants(builder: Builder, path: Path) -> None:
    """Spellings that were checked by hand, and official country names."""
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qid = NETHERLANDS.get(row["qid"], row["qid"])
            by_hand = row["source"].startswith("hand")
            prominence = KNOWN_PROMINENCE if by_hand else COUNTRY_PROMINENCE
            builder.entity(qid, row["type"], row["canonical"], prominence=prominence)
            builder.alias(row["surface"], qid, row["lang"])
            if by_hand and (" " in row["surface"] or (row["type"] == "PER" and len(row["surface"]) > 4)):
                builder.alias(row["surface"], qid, "*")


def add_countries(builder: Builder, codes: Path, territories: Path) -> dict[str, str]:
    """CLDR's names in every language of the list, and the strong names; returns country names by ISO code."""
    names: dict[str, str] = {}
    locales = [(code, _locale(code)) for code in LANGUAGES]
    languages_of_cldr = {str(name).casefold() for _, locale in locales if locale for name in locale.languages.values()}
    with codes.open(encoding="utf8") as file:
        for row in csv.DictReader(file):
            iso, qid = row["ISO3166-1-Alpha-2"], row["wikidata_id"].rsplit("/", 1)[-1]
            if not qid.startswith("Q") or not iso:
                continue
            qid = NETHERLANDS.get(qid, qid)
            names[iso] = row["CLDR display name"]
            builder.entities.pop(qid, None) if qid in builder.entities else None
            builder.entity(qid, "LOC", row["CLDR display name"], iso, COUNTRY_PROMINENCE)
            for code, locale in locales:
                name = locale.territories.get(iso) if locale else None
                if name:
                    builder.alias(name, qid, "no" if code == "nb" else code)
    for line in territories.read_text(encoding="utf8").splitlines():
        row = json.loads(line)
        qid = NETHERLANDS.get(row.get("qid", ""), row.get("qid", ""))
        if row.get("is_country") and qid in builder.entities:
            for name in row["names_strong"]:
                if name.casefold() not in languages_of_cldr and name[:1].upper() == name[:1]:
                    builder.alias(name, qid, "*" if " " in name else "und")
    return names


def _locale(code: str) -> Locale | None:
    try:
        return Locale.parse(code)
    except (UnknownLocaleError, ValueError):
        return None


def add_places(builder: Builder, path: Path) -> None:
    """Cities from Natural Earth, with coordinates."""
    for line in path.read_text(encoding="utf8").splitlines():
        row = json.loads(line)
        if row["population"] < MIN_POPULATION or row["qid"] in builder.entities:
            continue
        prominence = min(1.0, max(0.1, (math.log10(row["population"]) - 4) / 3))
        builder.entity(
            row["qid"], "LOC", row["name"], row["country"] or "", prominence, str(row["lat"]), str(row["lon"])
        )
        builder.alias(row["name"], row["qid"], "*")
        for language, name in row["names"].items():
            builder.alias(name, row["qid"], PLACE_LANGUAGES.get(language, language))


def add_people(builder: Builder, path: Path, countries: dict[str, str]) -> None:
    """Office holders; single-word labels are left to the variants."""
    iso_of = {name: iso for iso, name in countries.items()}
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qid, name = row["qid"], row["name"]
            country = row["country"].split(" | ")[0]
            iso = iso_of.get(country, "")
            is_leader = any(position in row["positions"].split(" | ") for position in LEADERS)
            prominence = 0.8 if is_leader and row["end"] == NO_END else 0.4 if is_leader else 0.2
            if qid in builder.entities:
                known = builder.entities[qid]
                known[3], known[7], known[8] = iso, row["start"], row["end"]
            else:
                builder.entity(qid, "PER", name, iso, prominence, "", "", row["start"], row["end"])
            for spelling, language in _spellings(row):
                if len(spelling.split()) > 1 or language in {"zh", "ja", "ko"}:
                    builder.alias(spelling, qid, language)


def _spellings(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield row["name"], "*"
    for language, names in json.loads(row["aliases_json"]).items():
        for name in names:
            yield name, "*" if language == "mul" or " " in name else language


def main(sources: Path) -> None:
    """Read the sources, write the file and its manifest; the same sources give the same bytes."""
    builder = Builder()
    files = ["entities/variants.tsv", "gazetteer/country-codes.csv", "gazetteer/territories.jsonl"]
    files += ["gazetteer/places.jsonl", "people/people.tsv"]
    add_variants(builder, sources / files[0])
    countries = add_countries(builder, sources / files[1], sources / files[2])
    add_places(builder, sources / files[3])
    add_people(builder, sources / files[4], countries)
    text = "\n".join(builder.lines()) + "\n"
    DATA.parent.mkdir(exist_ok=True)
    with DATA.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(text.encode())
    licences = {
        "entities/variants.tsv": "own and PDDL",
        "gazetteer/country-codes.csv": "PDDL 1.0",
        "gazetteer/territories.jsonl": "MIT, OpenSanctions (rigour)",
        "gazetteer/places.jsonl": "public domain, Natural Earth",
        "people/people.tsv": "CC0 1.0, Wikidata",
    }
    manifest = {
        "entities": len(builder.entities),
        "aliases": len(builder.aliases),
        "languages": list(LANGUAGES),
        "country_names": "Unicode CLDR, Unicode License v3",
        "sources": [
            {
                "file": name,
                "licence": licences[name],
                "sha256": hashlib.sha256((sources / name).read_bytes()).hexdigest(),
            }
            for name in files
        ],
    }
    MANIFEST.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

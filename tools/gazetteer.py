"""Builds the gazetteer (services/entities/data) and its manifest from public lists. Run it after a list has changed.

    python -m tools.gazetteer SOURCES        (a folder with gazetteer/, people/ and entities/)

`services/entities/builder.py` describes the lines of the file.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from services.entities.builder import COUNTRY_PROMINENCE, MIN_POPULATION, Builder, write
from services.entities.demonyms import LANGUAGES, add_demonyms, locale_of
from services.entities.gazetteer import DATA, MANIFEST, SHARE_ALIKE
from tools.countries import country_codes, letters_of

PLACE_LANGUAGES = {"zh": "zh"}
NETHERLANDS = {"Q29999": "Q55"}
"""The source has the Kingdom of the Netherlands, but news means the country."""
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
ROLES = {
    "President": "president",
    "Prime Minister": "prime minister",
    "Premier": "prime minister",
    "Chancellor": "chancellor",
    "Taoiseach": "prime minister",
    "Minister of Foreign Affairs": "foreign minister",
    "Foreign Minister": "foreign minister",
    "Minister for Foreign Affairs": "foreign minister",
    "Secretary of State": "foreign minister",
    "King": "king",
    "Queen": "queen",
    "Monarch": "king",
    "Pope": "pope",
}
"""Positions that a text may use instead of a name: "the Russian president"."""
NO_END = ""
ACRONYM = re.compile(r"[A-Z]{3,6}")
ORGANISATION_PROMINENCE = 0.3
COMPANY_PROMINENCE = 0.5
LEFT_OUT = ("facility", "archive", "other", "")
"""Types of organisations that news rarely names and that often have the name of something else."""
NEEDS_TITLE = ("education", "healthcare", "nonprofit")
"""Types of organisations that need an article in the English Wikipedia. Others of these types are never in the news."""
LEGAL_FORM = re.compile(
    r",?\s(?:Inc|Incorporated|Corp|Corporation|Company|Co|Ltd|Limited|plc|PLC|AG|SE|GmbH|KGaA|S\.?A\.?|S\.?p\.?A|N\.?V|B\.?V|AB|AS|A/S|Oyj|LLC|LP|Group|Holdings?)\.?$"
)
IN_BRACKETS = re.compile(r"\s*\([^()]*\)$")
MIN_SINGLE_NAME = 4
MAX_PARENT = 1_000_000
"""Largest id of a parent company. Parents have old, small ids.

ROR gives a branch the name and the Wikipedia page of its parent ("Airbus (United Kingdom)").
"""
OF_STATE, OF_STATE_PROMINENCE = ("government", "ministry"), 0.2
"""Types of state bodies, and their prominence.

Parliaments and ministries of many countries have the same name, so a link needs their country in the text.
"""
PLACES_CORRECTED = {"Q18808": ("Pyongyang", "39.0194", "125.7381", "Pyongsan")}
"""Places with the name and position of a neighbour in the source: right name, right position, wrong name."""
PARENTS = (("Q67", "Airbus", "FR"), ("Q37156", "IBM", "US"), ("Q9584", "Honda", "JP"))
"""Companies of which the source has only branches."""


def add_variants(builder: Builder, path: Path) -> None:
    """Add spellings that were checked by hand, and official names of countries."""
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qid = NETHERLANDS.get(row["qid"], row["qid"])
            by_hand = row["source"].startswith("hand")
            prominence = KNOWN_PROMINENCE if by_hand else COUNTRY_PROMINENCE
            builder.entity(qid, row["type"], row["canonical"], prominence=prominence)
            builder.alias(row["surface"], qid, row["lang"])
            is_long = " " in row["surface"] or (row["type"] == "PER" and len(row["surface"]) > 4)
            if by_hand and (is_long or ACRONYM.fullmatch(row["surface"])):
                builder.alias(row["surface"], qid, "*")


def add_countries(builder: Builder, codes: Path, territories: Path) -> dict[str, str]:
    """Add the names of countries from CLDR in all languages, and the strong names. Returns names by ISO code."""
    names: dict[str, str] = {}
    locales = [(code, locale_of(code)) for code in LANGUAGES]
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


def add_places(builder: Builder, path: Path) -> None:
    """Add cities from Natural Earth with their coordinates."""
    for line in path.read_text(encoding="utf8").splitlines():
        row = json.loads(line)
        if row["population"] < MIN_POPULATION or row["qid"] in builder.entities:
            continue
        prominence = min(1.0, max(0.1, (math.log10(row["population"]) - 4) / 3))
        given = (row["name"], str(row["lat"]), str(row["lon"]), "")
        name, lat, lon, _ = PLACES_CORRECTED.get(row["qid"], given)
        builder.entity(row["qid"], "LOC", name, row["country"] or "", prominence, lat, lon)
        builder.alias(name, row["qid"], "*")
        for language, name in row["names"].items():
            builder.alias(name, row["qid"], PLACE_LANGUAGES.get(language, language))


def add_people(builder: Builder, path: Path, codes: dict[str, str]) -> None:
    """Add office holders. Names of a single word come only from the variants."""
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qid, name = row["qid"], row["name"]
            iso = codes.get(letters_of(row["country"].split(" | ")[0]), "")
            is_leader = any(position in row["positions"].split(" | ") for position in LEADERS)
            roles = ",".join(
                sorted({ROLES[position] for position in row["positions"].split(" | ") if position in ROLES})
            )
            prominence = 0.8 if is_leader and row["end"] == NO_END else 0.4 if is_leader else 0.2
            if qid in builder.entities:
                known = builder.entities[qid]
                known[3], known[7], known[8], known[9] = iso, row["start"], row["end"], roles
            else:
                builder.entity(qid, "PER", name, iso, prominence, "", "", row["start"], row["end"], roles)
            for spelling, language in _spellings(row):
                if len(spelling.split()) > 1 or language in {"zh", "ja", "ko"}:
                    builder.alias(spelling, qid, language)


def _spellings(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield row["name"], "*"
    yield from _listed_aliases(row)


def _listed_aliases(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The names in the JSON of a row with their language. Names of several words count in all languages."""
    for language, names in json.loads(row["aliases_json"] or "{}").items():
        for name in names:
            yield name, "*" if language == "mul" or " " in name else language


def add_organisations(builder: Builder, path: Path) -> None:
    """Add governments, parties, companies and others. A single word counts only if it is the title in Wikipedia."""
    taken = set()
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            types = row["type"].split("|")
            title = IN_BRACKETS.sub("", row["enwiki"])
            is_branch = bool(IN_BRACKETS.search(row["name"])) and int(row["qid"][1:]) > MAX_PARENT
            if is_branch:
                title = ""
            is_unknown = types[0] in NEEDS_TITLE and not title
            if types[0] in LEFT_OUT or is_unknown or (title and title in taken):
                continue
            taken.add(title)
            is_company = "company" in types and bool(title)
            country = row["country"] if len(row["country"]) == 2 else ""
            is_of_state = types[0].startswith(OF_STATE)
            if is_of_state and not country:
                continue
            prominence = COMPANY_PROMINENCE if is_company else ORGANISATION_PROMINENCE
            prominence = OF_STATE_PROMINENCE if is_of_state else prominence
            builder.entity(row["qid"], "ORG", title or IN_BRACKETS.sub("", row["name"]), country, prominence)
            for spelling, language in _organisation_names(row, title):
                single = len(spelling.split()) == 1
                is_title = spelling == title.removesuffix(" Inc.") and is_company
                if not single or (is_title and len(spelling) >= MIN_SINGLE_NAME):
                    builder.alias(spelling, row["qid"], language)


def add_parents(builder: Builder) -> None:
    """Add companies that the sources do not have."""
    for qid, name, country in PARENTS:
        builder.entity(qid, "ORG", name, country, COMPANY_PROMINENCE)
        builder.alias(name, qid, "*")


def _organisation_names(row: dict[str, str], title: str) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys((IN_BRACKETS.sub("", row["name"]), title)):
        if name:
            yield name, "*"
            short = LEGAL_FORM.sub("", name)
            if short != name:
                yield short, "*"
    yield from _listed_aliases(row)


def add_bodies(builder: Builder, path: Path) -> None:
    """Add international bodies in eight languages. Their licence is CC BY-SA, so they are in a separate file."""
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            builder.entity(row["qid"], "ORG", row["name"], "", COMPANY_PROMINENCE)
            if " " in row["name"]:
                builder.alias(row["name"], row["qid"], "*")
            for language, names in json.loads(row["aliases_json"] or "{}").items():
                for name in names:
                    if " " in name or ACRONYM.fullmatch(name) or language in {"zh", "ja"}:
                        builder.alias(name, row["qid"], language)


LICENCES = {
    "entities/variants.tsv": "own and PDDL",
    "gazetteer/country-codes.csv": "PDDL 1.0",
    "gazetteer/territories.jsonl": "MIT, OpenSanctions (rigour)",
    "gazetteer/places.jsonl": "public domain, Natural Earth",
    "people/people.tsv": "CC0 1.0, Wikidata",
    "people/orgs.tsv": "CC0 1.0 (ROR, Wikidata) and MIT (Party Facts), per row",
    "people/share-alike/intergovernmental.tsv": "CC BY-SA 4.0, supraverden; in share-alike.tsv.gz alone",
}


def main(sources: Path) -> None:
    """Read the sources, and write the files and their manifest. The same sources give the same bytes."""
    builder, bodies = Builder(), Builder()
    add_variants(builder, sources / "entities/variants.tsv")
    territories = sources / "gazetteer/territories.jsonl"
    countries = add_countries(builder, sources / "gazetteer/country-codes.csv", territories)
    add_places(builder, sources / "gazetteer/places.jsonl")
    add_people(builder, sources / "people/people.tsv", country_codes(countries, territories))
    add_organisations(builder, sources / "people/orgs.tsv")
    add_parents(builder)
    add_demonyms(builder)
    add_bodies(bodies, sources / "people/share-alike/intergovernmental.tsv")
    write(builder, DATA)
    write(bodies, SHARE_ALIKE)
    manifest = {
        "entities": len(builder.entities),
        "aliases": len(builder.aliases),
        "demonyms": len(builder.demonyms),
        "share_alike": {"entities": len(bodies.entities), "aliases": len(bodies.aliases)},
        "languages": list(LANGUAGES),
        "country_names": "Unicode CLDR, Unicode License v3",
        "sources": [
            {"file": name, "licence": licence, "sha256": hashlib.sha256((sources / name).read_bytes()).hexdigest()}
            for name, licence in LICENCES.items()
        ],
    }
    MANIFEST.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

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
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from babel import Locale, UnknownLocaleError

from services.entities.countries import country_codes, letters_of
from services.entities.gazetteer import DATA, MANIFEST, SHARE_ALIKE, is_alias_usable

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
"""Positions whose holders a text may call by them: "the Russian president"."""
NO_END = ""
ACRONYM = re.compile(r"[A-Z]{3,6}")
ORGANISATION_PROMINENCE = 0.3
COMPANY_PROMINENCE = 0.5
LEFT_OUT = ("facility", "archive", "other", "")
NEEDS_TITLE = ("education", "healthcare", "nonprofit")
"""Types of which only those count that have an article in the English Wikipedia: the others are never in the news."""
"""Types of organisation that news hardly names and that carry other things' names."""
LEGAL_FORM = re.compile(
    r",?\s(?:Inc|Incorporated|Corp|Corporation|Company|Co|Ltd|Limited|plc|PLC|AG|SE|GmbH|KGaA|S\.?A\.?|S\.?p\.?A|N\.?V|B\.?V|AB|AS|A/S|Oyj|LLC|LP|Group|Holdings?)\.?$"
)
IN_BRACKETS = re.compile(r"\s*\([^()]*\)$")
MIN_SINGLE_NAME = 4
MAX_PARENT = 1_000_000
"""ROR gives a branch its parent's name and Wikipedia page ("Airbus (United Kingdom)"); parents have old, small ids."""
OF_STATE, OF_STATE_PROMINENCE = ("government", "ministry"), 0.2
"""Parliaments and ministries bear the same names in many countries: they need theirs beside them."""
PLACES_CORRECTED = {"Q18808": ("Pyongyang", "39.0194", "125.7381", "Pyongsan")}
"""Places that the source has under a neighbour's name and position: what is true, and the name that is not theirs."""
PARENTS = (("Q67", "Airbus", "FR"), ("Q37156", "IBM", "US"), ("Q9584", "Honda", "JP"))
"""Companies of which the source has branches only."""
DEMONYM_COUNTRIES = {
    "ru": "RU", "zh": "CN", "ja": "JP", "fr": "FR", "de": "DE", "it": "IT", "es": "ES", "pl": "PL", "uk": "UA", "tr": "TR", "nl": "NL", "sv": "SE",
    "da": "DK", "fi": "FI", "el": "GR", "hu": "HU", "cs": "CZ", "ro": "RO", "bg": "BG", "th": "TH", "vi": "VN", "pt": "PT", "sr": "RS", "hr": "HR",
    "be": "BY", "et": "EE", "lt": "LT", "lv": "LV", "sk": "SK", "sl": "SI", "sq": "AL", "ka": "GE", "hy": "AM", "az": "AZ", "kk": "KZ", "uz": "UZ",
    "mn": "MN", "is": "IS", "id": "ID", "no": "NO",
}  # fmt: skip
"""Languages whose name is also the adjective of one country in most languages: русский, russe, Russisch."""
ADJECTIVES = {
    "en": {"american": "US", "british": "GB", "swiss": "CH", "austrian": "AT", "belgian": "BE", "canadian": "CA", "australian": "AU", "mexican": "MX",
           "brazilian": "BR", "argentin": "AR", "egyptian": "EG", "syrian": "SY", "iraqi": "IQ", "saudi": "SA", "israeli": "IL", "pakistani": "PK",
           "iranian": "IR", "indian": "IN", "afghan": "AF", "venezuelan": "VE", "cuban": "CU", "north korean": "KP", "south korean": "KR"},
    "nl": {"amerika": "US", "chines": "CN", "portuges": "PT", "brits": "GB", "zwitser": "CH", "oostenrijk": "AT", "belgisch": "BE", "canade": "CA", "australisch": "AU", "braziliaan": "BR",
           "israëlisch": "IL", "iraans": "IR", "irak": "IQ", "syrisch": "SY", "indiase": "IN", "egyptisch": "EG"},
    "de": {"amerikanisch": "US", "britisch": "GB", "österreichisch": "AT", "belgisch": "BE", "kanadisch": "CA", "australisch": "AU", "brasilianisch": "BR",
           "israelisch": "IL", "iranisch": "IR", "irakisch": "IQ", "syrisch": "SY", "indisch": "IN", "ägyptisch": "EG", "schweizer": "CH"},
    "fr": {"américain": "US", "britannique": "GB", "suisse": "CH", "autrichien": "AT", "belge": "BE", "canadien": "CA", "australien": "AU", "brésilien": "BR",
           "israélien": "IL", "iranien": "IR", "irakien": "IQ", "syrien": "SY", "indien": "IN", "égyptien": "EG"},
    "es": {"estadounidense": "US", "norteamerican": "US", "británic": "GB", "suiz": "CH", "austriac": "AT", "canadiense": "CA", "australian": "AU", "brasileñ": "BR",
           "israelí": "IL", "iraní": "IR", "iraquí": "IQ", "siri": "SY", "egipci": "EG", "mexican": "MX", "argentin": "AR"},
    "it": {"statunitens": "US", "american": "US", "britannic": "GB", "svizzer": "CH", "austriac": "AT", "canades": "CA", "australian": "AU", "brasilian": "BR",
           "israelian": "IL", "iranian": "IR", "irachen": "IQ", "sirian": "SY", "egizian": "EG"},
    "pt": {"american": "US", "norte-american": "US", "britânic": "GB", "suíç": "CH", "canadens": "CA", "australian": "AU", "brasileir": "BR", "israelens": "IL",
           "iranian": "IR", "iraquian": "IQ", "síri": "SY", "egípci": "EG"},
    "ru": {"американск": "US", "британск": "GB", "швейцарск": "CH", "австрийск": "AT", "израильск": "IL", "иранск": "IR", "иракск": "IQ", "сирийск": "SY", "индийск": "IN"},
    "uk": {"американськ": "US", "британськ": "GB", "швейцарськ": "CH", "австрійськ": "AT", "ізраїльськ": "IL", "іранськ": "IR", "сирійськ": "SY", "російськ": "RU"},
    "pl": {"amerykańsk": "US", "brytyjsk": "GB", "szwajcarsk": "CH", "austriack": "AT", "izraelsk": "IL", "irańsk": "IR", "syryjsk": "SY"},
    "sv": {"amerikansk": "US", "brittisk": "GB", "schweizisk": "CH", "österrikisk": "AT", "israelisk": "IL", "iransk": "IR", "syrisk": "SY"},
}  # fmt: skip
"""Adjectives of countries that give no language its name, as stems."""
MIN_DEMONYM_STEM = 4


@dataclass(slots=True)
class Builder:
    """Entities by id, and aliases: (text, entity id) → languages."""

    entities: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    demonyms: dict[tuple[str, str], str] = field(default_factory=dict)

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
        roles: str = "",
    ) -> None:
        """Add an entity; the first source that knows it wins."""
        self.entities.setdefault(qid, [qid, kind, name, country, f"{prominence:.2f}", lat, lon, start, end, roles])

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
        for (language, stem), country in sorted(self.demonyms.items()):
            yield f"D\t{language}\t{stem}\t{country}"


def add_variants(builder: Builder, path: Path) -> None:
    """Spellings that were checked by hand, and official country names."""
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
        given = (row["name"], str(row["lat"]), str(row["lon"]), "")
        name, lat, lon, _ = PLACES_CORRECTED.get(row["qid"], given)
        builder.entity(row["qid"], "LOC", name, row["country"] or "", prominence, lat, lon)
        builder.alias(name, row["qid"], "*")
        for language, name in row["names"].items():
            builder.alias(name, row["qid"], PLACE_LANGUAGES.get(language, language))


def add_people(builder: Builder, path: Path, codes: dict[str, str]) -> None:
    """Office holders; single-word labels are left to the variants."""
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qid, name = row["qid"], row["name"]
            iso = codes.get(letters_of(row["country"].split(" | ")[0]), "")
            is_leader = any(position in row["positions"].split(" | ") for position in LEADERS)
            roles = ",".join(sorted({ROLES[one] for one in row["positions"].split(" | ") if one in ROLES}))
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
    """The names in a row's JSON with their language; those of several words count in all."""
    for language, names in json.loads(row["aliases_json"] or "{}").items():
        for name in names:
            yield name, "*" if language == "mul" or " " in name else language


def add_organisations(builder: Builder, path: Path) -> None:
    """Governments, parties, companies and others; single words only where Wikipedia's title is that word."""
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
    """Companies that the sources lack."""
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


def add_demonyms(builder: Builder) -> None:
    """Stems of adjectives of countries: from CLDR's names of languages, and by hand."""
    for code in LANGUAGES:
        locale, language = _locale(code), "no" if code == "nb" else code
        for spoken, country in DEMONYM_COUNTRIES.items():
            name = str(locale.languages.get(spoken, "")) if locale else ""
            stem = name.casefold()[: -1 if len(name) > MIN_DEMONYM_STEM + 1 else None]
            if len(stem) >= MIN_DEMONYM_STEM and " " not in stem:
                builder.demonyms[language, stem] = country
    for language, stems in ADJECTIVES.items():
        for stem, country in stems.items():
            builder.demonyms[language, stem] = country


def add_bodies(builder: Builder, path: Path) -> None:
    """International bodies under CC BY-SA, in eight languages: a file of their own."""
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


def write(builder: Builder, path: Path) -> None:
    """Write a gazetteer file, whole or not at all; the same content gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        for line in builder.lines():
            file.write(f"{line}\n".encode())
    part.replace(path)


def main(sources: Path) -> None:
    """Read the sources, write the files and their manifest; the same sources give the same bytes."""
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

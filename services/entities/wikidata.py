"""Builds a gazetteer from a Wikidata JSON dump in one pass. Only entities that news names stay in memory."""

from __future__ import annotations

import bz2
import gzip
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson

from services.entities.builder import COUNTRY_PROMINENCE, MIN_POPULATION, Builder, write
from services.entities.demonyms import add_demonyms

HUMAN, FEMALE, EARTH = "Q5", "Q6581072", "http://www.wikidata.org/entity/Q2"
COUNTRIES = {"Q6256": "country", "Q3624078": "sovereign state"}
CAPITAL = "Q5119"
SETTLEMENTS = {
    CAPITAL: "capital city", "Q515": "city", "Q1549591": "big city", "Q1637706": "million city",
    "Q3957": "town", "Q15284": "municipality", "Q1093829": "city in the United States", "Q484170": "commune of France",
    "Q200250": "metropolis", "Q747074": "comune of Italy",
    "Q22865": "independent city of Germany", "Q42744322": "urban municipality in Germany",
    "Q1221156": "federated state of Germany", "Q35657": "U.S. state",
}  # fmt: skip
ORGANISATIONS = {
    "Q4830453": "business", "Q783794": "company", "Q6881511": "enterprise", "Q891723": "public company",
    "Q161726": "multinational corporation", "Q46970": "airline", "Q22687": "bank", "Q66344": "central bank",
    "Q7188": "government", "Q327333": "government agency", "Q192350": "ministry", "Q11204": "legislature",
    "Q35749": "parliament", "Q47913": "intelligence agency", "Q7278": "political party", "Q163740": "nonprofit",
    "Q484652": "international organization", "Q245065": "intergovernmental organization", "Q3918": "university",
    "Q4120211": "regional organization", "Q1335818": "supranational organisation", "Q11032": "newspaper",
    "Q79913": "non-governmental organization", "Q1110794": "daily newspaper", "Q192283": "news agency",
    "Q41298": "magazine", "Q15265344": "broadcaster", "Q1616075": "television station",
    "Q476028": "association football club",
}  # fmt: skip
"""P31 classes by id and English label. A subclass must be listed too."""
ROLES = {
    "Q30461": "president", "Q14212": "prime minister", "Q4970706": "chancellor", "Q7330070": "foreign minister",
    "Q116": "king", "Q19546": "pope",
}  # fmt: skip
"""Offices. Q116 is monarch, and a woman becomes `queen`. The office of a country is found through its P279 and P31."""
OFFICE_KINDS = frozenset({"Q4164871", "Q294414"})
"""Position and public office. The classes of these items are kept."""
MAX_OFFICE_DEPTH = 4
MIN_SITELINKS = 15
"""Minimum number of Wikipedias for a person without an office or a place without a population."""
MIN_ORGANISATION_SITELINKS = 3
ALL_SITELINKS = 300
"""Number of Wikipedias of the best known entities. Prominence is ln(1 + Wikipedias) / ln(1 + 300), at most 1."""
MAX_UNCOUNTED = 0.5
"""Maximum prominence of a place without a population. It is below a big city, because `link.py` trusts only those."""
NOT_WIKIPEDIA = frozenset({"commonswiki", "specieswiki", "wikidatawiki", "metawiki", "mediawikiwiki", "sourceswiki"})
LANGUAGES = {
    "mul": "*", "nb": "no", "nn": "no", "tl": "fil", "simple": "en", "arz": "ar", "ary": "ar", "yue": "zh", "wuu": "zh",
    "zh-yue": "zh", "zh-classical": "lzh", "zh-min-nan": "nan", "iw": "he",
}  # fmt: skip
"""Wikidata codes that differ from the codes here. For other codes only the part before the first hyphen counts."""
YEAR_PRECISION = 9
NO_END = 9999
ISO = re.compile(r"[A-Z]{2}")
TIME = re.compile(r"\+(\d+)-")
REPORT_EVERY = 2_000
PATIENCE = 1_000
"""Number of lines without an entity after which the file is refused."""
Json = dict[str, Any]


class DumpError(ValueError):
    """The file is not a Wikidata JSON dump, or it is incomplete."""


@dataclass(frozen=True, slots=True)
class Term:
    """A held office with its years. An unknown year is None. `end` is None while the office lasts."""

    office: str
    start: int | None
    end: int | None

    def overlaps(self, other: Term) -> bool:
        """Whether two terms overlap by more than the year of the change."""
        return self.start is not None and (
            self.start < (other.end or NO_END) and (self.end or NO_END) > (other.start or NO_END)
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """An entity that is kept. `country` is the id of an item until all countries are read."""

    kind: str
    name: str
    country: str
    prominence: float
    position: tuple[str, str] = ("", "")
    terms: tuple[Term, ...] = ()
    is_female: bool = False


def build_from_dump(dump: Path, target: Path, *, progress: Callable[[int], None] | None = None) -> dict[str, int]:
    """Stream a dump (plain, .gz or .bz2) into a gazetteer file and its manifest. Returns counts.

    `progress` is called with the number of bytes of `dump` that were read so far. Counts are `read`, `kept`, `aliases`
    and `broken`. `broken` counts lines that are not an entity. DumpError says what is wrong with the file. `target`
    does not change then.
    """
    collector = Collector()
    with _opened(dump) as (lines, raw):
        try:
            for number, line in enumerate(lines, 1):
                collector.take(line)
                if number >= PATIENCE and not collector.read:
                    break
                if progress is not None and number % REPORT_EVERY == 0:
                    progress(raw.tell())
        except (EOFError, zlib.error, OSError) as error:
            raise DumpError(f"{dump} is damaged or ends in the middle after {collector.read:,} entities") from error
    if not collector.read:
        raise DumpError(f"{dump} is not a Wikidata JSON dump: none of its lines is an entity")
    if progress is not None:
        progress(dump.stat().st_size)
    builder = collector.finish()
    counts = {"read": collector.read, "kept": len(builder.entities), "aliases": len(builder.aliases)}
    counts["broken"] = collector.broken
    write(builder, target)
    manifest = {
        "dump": dump.name,
        "bytes": dump.stat().st_size,
        "modified": datetime.fromtimestamp(dump.stat().st_mtime, UTC).date().isoformat(),
        "licence": "CC0 1.0, Wikidata",
        "demonyms": "own, and Unicode CLDR under Unicode License v3",
        "counts": counts,
        "types": dict(sorted(Counter(row[1] for row in builder.entities.values()).items())),
    }
    path = target.with_name(f"{target.name}.manifest.json")
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
    return counts


@contextmanager
def _opened(dump: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The decompressed lines and the raw file, whose position is the progress. The first bytes show the compression."""
    with dump.open("rb") as raw:
        magic = raw.peek(3)[:3]
        if magic.startswith(b"\x1f\x8b"):
            with gzip.open(raw, "rb") as unzipped:
                yield unzipped, raw  # type: ignore[misc]  # typeshed: GzipFile has all used methods of IO
        elif magic == b"BZh":
            with bz2.open(raw, "rb") as unpacked:
                yield unpacked, raw
        else:
            yield raw, raw


@dataclass(slots=True)
class Collector:
    """The kept data of the lines: entities, spellings, ISO codes by country, classes by office."""

    kept: dict[str, Kept] = field(default_factory=dict)
    builder: Builder = field(default_factory=Builder)
    codes: dict[str, str] = field(default_factory=dict)
    offices: dict[str, frozenset[str]] = field(default_factory=dict)
    read: int = 0
    broken: int = 0

    def take(self, line: bytes) -> None:
        """Read one line of the array. A line that is not an entity is counted as broken."""
        text = line.strip(b"[], \t\r\n")
        if not text:
            return
        try:
            entity = orjson.loads(text)
            if entity["type"] == "item":
                self._item(entity["id"], entity)
        except (ValueError, LookupError, TypeError, AttributeError):
            self.broken += 1
        else:
            self.read += 1

    def _item(self, qid: str, entity: Json) -> None:
        claims = entity["claims"] or {}
        kinds = {
            _id(statement) for statement in _stated(claims, "P31") if "P582" not in (statement.get("qualifiers") or {})
        }
        parents = {_id(statement) for statement in _stated(claims, "P279")}
        if kinds & OFFICE_KINDS or (kinds | parents) & ROLES.keys():
            self.offices[qid] = frozenset((kinds | parents) - OFFICE_KINDS)
        code = next((_value(statement) for statement in _best(claims, "P297")), "")
        if ISO.fullmatch(code):
            self.codes[qid] = code
        name = _name(entity["labels"] or {})
        kept = _entity(qid, name, kinds, claims, _count_wikipedias(entity)) if name else None
        if kept is not None:
            spellings = list(_spellings(entity, kept))
            self.kept[qid] = kept
            for text, language in spellings:
                self.builder.alias(text, qid, language)

    def finish(self) -> Builder:
        """Make the builder with all kept entities. Call it when all countries and offices are known."""
        for qid, kept in self.kept.items():
            start, end, roles = self._years(kept)
            country = self.codes.get(kept.country, "")
            self.builder.entity(
                qid, kept.kind, kept.name, country, kept.prominence, *kept.position, _text(start), _text(end), roles
            )
        add_demonyms(self.builder)
        return self.builder

    def _years(self, kept: Kept) -> tuple[int | None, int | None, str]:
        """Years of the latest office, and the roles in these years. Offices with a role come before other offices."""
        roles = {term: self._role(term.office) for term in kept.terms}
        leading = [term for term in kept.terms if roles[term]] or list(kept.terms)
        if not leading:
            return None, None, ""
        latest = max(leading, key=_recency)
        start = latest.start
        for term in sorted(leading, key=_recency, reverse=True):
            if term.office == latest.office and term.start and start and term.start < start <= (term.end or 0) + 1:
                start = term.start
        held = {roles[term] for term in leading if term is latest or term.overlaps(latest)} - {""}
        named = {"queen" if role == "king" and kept.is_female else role for role in held}
        return start, latest.end, ",".join(sorted(named))

    def _role(self, office: str) -> str:
        """The nearest role among the classes of an office. Empty when there is none."""
        level, seen = {office}, {office}
        for _ in range(MAX_OFFICE_DEPTH + 1):
            found = sorted(level & ROLES.keys())
            if found:
                return ROLES[found[0]]
            level = {parent for item in level for parent in self.offices.get(item, ())} - seen
            seen |= level
        return ""


def _entity(qid: str, name: str, kinds: set[str], claims: Json, links: int) -> Kept | None:
    """The kept record of a person, place or organisation. None when it is not kept."""
    prominence = min(1.0, math.log(1 + links) / math.log(1 + ALL_SITELINKS))
    if HUMAN in kinds:
        terms = _terms(claims)
        is_female = any(_id(statement) == FEMALE for statement in _best(claims, "P21"))
        person = Kept("PER", name, _country(claims, "P27"), prominence, terms=terms, is_female=is_female)
        return person if terms or links >= MIN_SITELINKS else None
    if kinds & COUNTRIES.keys():
        is_coded = bool(_best(claims, "P297"))
        return Kept("LOC", name, qid, COUNTRY_PROMINENCE if is_coded else min(MAX_UNCOUNTED, prominence))
    if kinds & SETTLEMENTS.keys():
        return _settlement(name, kinds, claims, links, prominence)
    if kinds & ORGANISATIONS.keys() and links >= MIN_ORGANISATION_SITELINKS:
        return Kept("ORG", name, _country(claims, "P17"), prominence)
    return None


def _settlement(name: str, kinds: set[str], claims: Json, links: int, prominence: float) -> Kept | None:
    """A place with coordinates that is large, well known or a capital. None for other places.

    The prominence depends on the population as in tools/gazetteer.py.
    """
    points = [
        _value(statement) for statement in _best(claims, "P625") if _value(statement).get("globe", EARTH) == EARTH
    ]
    population = _population(claims)
    is_large = links >= MIN_SITELINKS if population is None else population >= MIN_POPULATION
    if not points or not (is_large or CAPITAL in kinds):
        return None
    uncounted = min(MAX_UNCOUNTED, prominence)
    known = uncounted if not population else min(1.0, max(0.1, (math.log10(population) - 4) / 3))
    position = (f"{points[0]['latitude']:.4f}", f"{points[0]['longitude']:.4f}")
    return Kept("LOC", name, _country(claims, "P17"), known, position)


def _stated(claims: Json, name: str) -> list[Json]:
    """The statements of a property with a value, without deprecated statements."""
    held = (statement for statement in claims.get(name, ()) if statement["rank"] != "deprecated")
    return [statement for statement in held if statement["mainsnak"]["snaktype"] == "value"]


def _best(claims: Json, name: str) -> list[Json]:
    """The preferred statements, or else the normal ones. Statements without an end come first."""
    stated = _stated(claims, name)
    best = [statement for statement in stated if statement["rank"] == "preferred"] or stated
    return sorted(best, key=lambda statement: "P582" in (statement.get("qualifiers") or {}))


def _value(statement: Json) -> Any:
    return statement["mainsnak"]["datavalue"]["value"]


def _id(statement: Json) -> str:
    """The id of the item in a statement. Dumps before 2017 have only its number."""
    value = _value(statement)
    return str(value.get("id") or f"Q{value['numeric-id']}")


def _country(claims: Json, name: str) -> str:
    return next(map(_id, _best(claims, name)), "")


def _year(value: Json) -> int | None:
    found = TIME.match(value["time"]) if value["precision"] >= YEAR_PRECISION else None
    return int(found[1]) or None if found else None


def _qualifier(statement: Json, name: str) -> int | None:
    """The year of a qualifier. None when it is missing or stated as unknown."""
    snaks = (statement.get("qualifiers") or {}).get(name, ())
    years = [_year(snak["datavalue"]["value"]) for snak in snaks if snak["snaktype"] == "value"]
    return next((year for year in years if year), None)


def _terms(claims: Json) -> tuple[Term, ...]:
    """The held offices. Death ends an open office. An end in an unknown year gets the year of the start."""
    died = next((_year(_value(statement)) for statement in _best(claims, "P570")), None)
    terms = []
    for statement in _stated(claims, "P39"):
        start, end = _qualifier(statement, "P580"), _qualifier(statement, "P582")
        has_ended = "P582" in (statement.get("qualifiers") or {})
        terms.append(Term(_id(statement), start, end or (start if has_ended else died)))
    return tuple(dict.fromkeys(terms))


def _recency(term: Term) -> tuple[int, int]:
    return term.start or term.end or 0, term.end or NO_END


def _population(claims: Json) -> int | None:
    """The latest population among the best statements."""
    dated = [
        (_qualifier(statement, "P585") or 0, int(float(_value(statement)["amount"])))
        for statement in _best(claims, "P1082")
    ]
    return max(dated)[1] if dated else None


def _count_wikipedias(entity: Json) -> int:
    return sum(site.endswith("wiki") and site not in NOT_WIKIPEDIA for site in entity.get("sitelinks") or ())


def _name(labels: Json) -> str:
    """The English label, or the label for all languages, or any label."""
    chosen = labels.get("en") or labels.get("mul") or next(iter(labels.values()), {"value": ""})
    return " ".join(chosen["value"].split())


def _spellings(entity: Json, kept: Kept) -> Iterator[tuple[str, str]]:
    """(spelling, language) of all labels and aliases. Aliases of people need several words.

    A name of several words counts in all languages.
    """
    if " " in kept.name:
        yield kept.name, "*"
    for code, label in (entity["labels"] or {}).items():
        yield label["value"], _language(code)
    for code, aliases in (entity.get("aliases") or {}).items():
        for alias in aliases:
            if kept.kind != "PER" or len(alias["value"].split()) > 1:
                yield alias["value"], _language(code)


def _language(code: str) -> str:
    return LANGUAGES.get(code) or code.split("-", maxsplit=1)[0]


def _text(year: int | None) -> str:
    return f"{year:04d}" if year else ""

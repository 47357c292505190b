"""Builds a gazetteer from tiny sources in the format of the shared sources: kept entities and their spellings."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.entities import demonyms
from services.entities.builder import Builder
from services.entities.gazetteer import Gazetteer, load_gazetteer
from services.entities.records import Known
from tests.gazetteers import by_id, spellings
from tools import gazetteer as tool
from tools.gazetteer import LICENCES

VARIANTS = """qid\ttype\tcanonical\tsurface\tlang\tsource
Q7747\tPER\tVladimir Putin\tPoetin\tnl\thand
Q7747\tPER\tVladimir Putin\tVladimir Putin\ten\thand
Q7184\tORG\tNATO\tNATO\ten\thand
Q7184\tORG\tNATO\tNavo\tnl\thand
Q29999\tLOC\tNetherlands\tKingdom of the Netherlands\ten\tcldr
Q38\tLOC\tItaly\tRepubblica Italiana\tit\tcldr
"""
CODES = """ISO3166-1-Alpha-2,CLDR display name,wikidata_id
NL,Netherlands,http://www.wikidata.org/entity/Q29999
IT,Italy,http://www.wikidata.org/entity/Q38
RU,Russia,http://www.wikidata.org/entity/Q159
,Nowhere,http://www.wikidata.org/entity/Q1
XX,Unlisted,
"""
TERRITORIES: list[dict[str, Any]] = [
    {"name": "Russia", "full_name": "Russian Federation", "code": "ru", "is_country": True, "qid": "Q159"}
    | {"names_strong": ["Russian Federation", "Rossiya", "russian", "Russian"]},
    {"name": "Holland", "full_name": "Holland", "code": "nl-x", "parent": "nl", "is_country": False, "qid": "Q102911"}
    | {"names_strong": ["Holland"]},
]
PLACES: list[dict[str, Any]] = [
    {"qid": "Q220", "name": "Rome", "country": "IT", "lat": 41.9, "lon": 12.5, "population": 2_800_000}
    | {"names": {"it": "Roma", "zh": "罗马", "xx": "lower"}},
    {"qid": "Q2", "name": "Hamlet", "country": "IT", "lat": 1.0, "lon": 2.0, "population": 29_999, "names": {}},
    {
        "qid": "Q18808",
        "name": "Pyongsan",
        "country": "KP",
        "lat": 1.0,
        "lon": 2.0,
        "population": 3_000_000,
        "names": {},
    },
    {"qid": "Q159", "name": "Russia", "country": "RU", "lat": 1.0, "lon": 2.0, "population": 9_000_000, "names": {}},
    {"qid": "Q3", "name": "Nomansland", "country": None, "lat": 1.0, "lon": 2.0, "population": 40_000, "names": {}},
]
PEOPLE = [
    (
        "Q7747",
        "Vladimir Putin",
        "Russia | Soviet Union",
        "President",
        "2012-05-07",
        "",
        '{"ru": ["Владимир Путин", "Путин"]}',
    ),
    ("Q76", "Barack Obama", "Elsewhere", "President | Senator", "2009", "2017", '{"zh": ["奥巴马"], "en": ["Obama"]}'),
    ("Q5", "Giorgia Meloni", "Italy", "Prime Minister", "2022", "", '{"mul": ["G. Meloni"]}'),
    ("Q6", "Jan Jansen", "Netherlands", "Mayor", "2020", "", ""),
]
ORGANISATIONS = [
    ("Q312", "Apple (United States)", "company", "US", "Apple Inc.", '{"de": ["Apple"]}'),
    ("Q66", "Boeing Company", "company", "US", "Boeing", "{}"),
    ("Q9999999", "Boeing (Italy)", "company", "IT", "Boeing", "{}"),
    ("Q67x1", "Deep Archive", "archive", "IT", "Deep Archive", "{}"),
    ("Q11", "Small College", "education", "IT", "", "{}"),
    ("Q12", "Great University", "education", "IT", "Great University", "{}"),
    ("Q13", "Ministry of Finance", "government", "IT", "", "{}"),
    ("Q14", "Ministry of Nothing", "government", "", "", "{}"),
    ("Q15", "Great University (again)", "education", "FR", "Great University", "{}"),
]
BODIES = [
    (
        "Q1065",
        "United Nations",
        '{"en": ["UN", "UNO", "United Nations Organization"], "fr": ["ONU", "Nations"], "zh": ["联合国"]}',
    ),
    ("Q2", "Interpol", ""),
]


def table(path: Path, columns: str, rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns.split())
        writer.writerows(rows)


def write_sources(folder: Path) -> None:
    for name in LICENCES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / "entities/variants.tsv").write_text(VARIANTS, encoding="utf8")
    (folder / "gazetteer/country-codes.csv").write_text(CODES, encoding="utf8")
    for name, rows in (("territories", TERRITORIES), ("places", PLACES)):
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"gazetteer/{name}.jsonl").write_text(lines, encoding="utf8")
    table(folder / "people/people.tsv", "qid name country positions start end aliases_json", PEOPLE)
    table(folder / "people/orgs.tsv", "qid name type country enwiki aliases_json", ORGANISATIONS)
    table(folder / "people/share-alike/intergovernmental.tsv", "qid name aliases_json", BODIES)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with the sources (`sources`) and the built files (`made`)."""
    folder = tmp_path_factory.mktemp("gazetteer")
    write_sources(folder / "sources")
    with pytest.MonkeyPatch.context() as patch:
        for module in (tool, demonyms):
            patch.setattr(module, "LANGUAGES", ("en", "it", "nb", "nl", "ru", "zh", "no such"))
        for name, file in (("DATA", "all.tsv.gz"), ("SHARE_ALIKE", "alike.tsv.gz"), ("MANIFEST", "manifest.json")):
            patch.setattr(tool, name, folder / "made" / file)
        tool.main(folder / "sources")
        first = {path.name: path.read_bytes() for path in (folder / "made").iterdir()}
        tool.main(folder / "sources")
        assert first == {path.name: path.read_bytes() for path in (folder / "made").iterdir()}
        yield folder


@pytest.fixture(scope="module")
def gazetteer(built: Path) -> Gazetteer:
    return load_gazetteer(built / "made" / "all.tsv.gz")


@pytest.fixture(scope="module")
def known(gazetteer: Gazetteer) -> dict[str, Known]:
    return by_id(gazetteer)


def test_the_manifest_counts_and_names_every_source_with_its_checksum(built: Path, gazetteer: Gazetteer) -> None:
    manifest = json.loads((built / "made" / "manifest.json").read_text(encoding="utf8"))
    assert manifest["entities"] == len(gazetteer.entities)
    assert manifest["share_alike"] == {"entities": 2, "aliases": 5}
    assert {source["file"]: source["sha256"] for source in manifest["sources"]} == {
        name: hashlib.sha256((built / "sources" / name).read_bytes()).hexdigest() for name in LICENCES
    }


def test_a_country_has_its_names_in_every_language_and_the_kingdom_is_the_country(
    gazetteer: Gazetteer, known: dict[str, Known]
) -> None:
    assert "Q29999" not in known
    assert (known["Q55"].name, known["Q55"].country, known["Q55"].type) == ("Netherlands", "NL", "LOC")
    assert spellings(gazetteer, "Q55").items() >= {"Nederland": "nl,no", "荷兰": "zh", "Нидерланды": "ru"}.items()
    assert spellings(gazetteer, "Q55")["Kingdom of the Netherlands"] == "en"


def test_names_of_languages_and_words_in_small_letters_are_no_names_of_countries(gazetteer: Gazetteer) -> None:
    found = spellings(gazetteer, "Q159")
    assert found["Russian Federation"] == "*"
    assert found["Rossiya"] == "und"
    assert {"Russian", "russian"}.isdisjoint(found)


def test_a_spelling_checked_by_hand_counts_in_all_languages_where_it_cannot_be_a_word(gazetteer: Gazetteer) -> None:
    assert spellings(gazetteer, "Q7184") == {"NATO": "*", "Navo": "nl"}
    assert spellings(gazetteer, "Q7747")["Poetin"] == "*"
    assert spellings(gazetteer, "Q38")["Repubblica Italiana"] == "it"


def test_only_large_cities_are_kept_and_larger_ones_are_better_known(
    gazetteer: Gazetteer, known: dict[str, Known]
) -> None:
    assert "Q2" not in known
    assert known["Q3"].prominence < known["Q220"].prominence <= 1
    assert (known["Q220"].country, known["Q220"].lat, known["Q220"].lon) == ("IT", 41.9, 12.5)
    assert spellings(gazetteer, "Q220") == {"Rome": "*", "Roma": "it", "罗马": "zh"}
    assert known["Q159"].lat is None, "a country is no city"


def test_a_city_under_its_neighbours_name_is_corrected(gazetteer: Gazetteer, known: dict[str, Known]) -> None:
    assert (known["Q18808"].name, known["Q18808"].lat) == ("Pyongyang", 39.0194)
    assert "Pyongsan" not in gazetteer.by_text


def test_an_office_holder_has_years_offices_and_a_country(known: dict[str, Known]) -> None:
    assert known["Q7747"][3:] == ("RU", 1.0, None, None, 2012, None, frozenset({"president"}))
    assert (known["Q76"].country, known["Q76"].start, known["Q76"].end) == ("", 2009, 2017)
    assert known["Q5"].prominence > known["Q76"].prominence > known["Q6"].prominence


def test_a_single_word_is_nobodys_name_but_in_ideographs(gazetteer: Gazetteer) -> None:
    assert spellings(gazetteer, "Q76") == {"Barack Obama": "*", "奥巴马": "zh"}
    assert spellings(gazetteer, "Q5") == {"Giorgia Meloni": "*", "G. Meloni": "*"}
    assert "Путин" not in spellings(gazetteer, "Q7747")
    assert spellings(gazetteer, "Q7747")["Владимир Путин"] == "*"


def test_organisations_that_news_hardly_names_are_left_out(known: dict[str, Known]) -> None:
    """Left out: archives, colleges without an article, ministries without a country, duplicate titles of branches."""
    kept = {"Q312", "Q66", "Q9999999", "Q12", "Q13"}
    assert {row[0] for row in ORGANISATIONS} & known.keys() == kept
    assert known["Q13"].prominence < known["Q12"].prominence < known["Q312"].prominence


def test_a_company_is_found_by_its_title_alone_and_a_branch_is_not(
    gazetteer: Gazetteer, known: dict[str, Known]
) -> None:
    assert known["Q312"].name == "Apple Inc."
    assert spellings(gazetteer, "Q312") == {"Apple": "*", "Apple Inc.": "*"}
    assert spellings(gazetteer, "Q66") == {"Boeing": "*", "Boeing Company": "*"}
    assert spellings(gazetteer, "Q9999999") == {}
    assert {"Airbus", "IBM", "Honda"} <= gazetteer.by_text.keys()


def test_adjectives_of_countries_are_stems(gazetteer: Gazetteer) -> None:
    assert gazetteer.demonyms["nl", "russisc"] == "RU"
    assert gazetteer.demonyms["no", "russis"] == "RU"
    assert gazetteer.demonyms["en", "british"] == "GB"
    assert ("nb", "russis") not in gazetteer.demonyms


def test_international_bodies_are_in_a_file_of_their_own(built: Path, gazetteer: Gazetteer) -> None:
    bodies = load_gazetteer(built / "made" / "alike.tsv.gz")
    assert spellings(bodies, "Q1065") == {
        "United Nations": "*",
        "United Nations Organization": "en",
        "UNO": "en",
        "ONU": "fr",
        "联合国": "zh",
    }
    assert "Q1065" not in {entity.id for entity in gazetteer.entities}


def test_the_first_source_wins_and_spellings_of_no_use_are_dropped() -> None:
    builder = Builder()
    builder.entity("Q1", "LOC", "First")
    builder.entity("Q1", "ORG", "Second")
    for text in ("a  b", "A  b", "7", "X", "d’Or", "D’Or"):
        builder.alias(text, "Q1", "fr")
    assert list(builder.lines()) == [
        "E\tQ1\tLOC\tFirst\t\t0.00\t\t\t\t\t",
        "A\tA b\t0\tfr",
        "A\tD'Or\t0\tfr",
    ]

"""A Wikidata dump becomes a gazetteer: kept entities, their names, years and offices."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.entities.gazetteer import Gazetteer, load_gazetteer
from services.entities.records import Known
from services.entities.wikidata import Collector, DumpError, build_from_dump
from tests.gazetteers import by_id, spellings

SAMPLE = Path(__file__).parents[2] / "data" / "wikidata-sample.json"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wikidata") / "names.tsv.gz"
    build_from_dump(SAMPLE, path)
    return path


@pytest.fixture(scope="module")
def gazetteer(target: Path) -> Gazetteer:
    return load_gazetteer(target)


@pytest.fixture(scope="module")
def known(gazetteer: Gazetteer) -> dict[str, Known]:
    return by_id(gazetteer)


def test_kept_are_office_holders_the_well_known_places_and_organisations(known: dict[str, Known]) -> None:
    """Not kept: the footballer with two Wikipedias, the small town, the ruined capital, the offices, the lion."""
    assert {qid: entity.type for qid, entity in known.items()} == {
        "Q90": "LOC",
        "Q3052772": "PER",
        "Q76": "PER",
        "Q9682": "PER",
        "Q990002": "PER",
        "Q12461": "ORG",
        "Q142": "LOC",
        "Q30": "LOC",
    }


def test_counts_and_manifest_say_what_was_read(tmp_path: Path) -> None:
    reported: list[int] = []
    counts = build_from_dump(SAMPLE, tmp_path / "x.tsv.gz", progress=reported.append)
    assert counts == {"read": 18, "kept": 8, "aliases": 34, "broken": 1}
    assert reported[-1] == SAMPLE.stat().st_size
    manifest = json.loads((tmp_path / "x.tsv.gz.manifest.json").read_text())
    assert manifest["counts"] == counts
    assert manifest["types"] == {"LOC": 3, "ORG": 1, "PER": 4}
    assert (manifest["dump"], manifest["bytes"]) == (SAMPLE.name, SAMPLE.stat().st_size)
    assert manifest["licence"].startswith("CC0 1.0")


def test_a_city_gets_the_code_of_a_country_that_comes_later(known: dict[str, Known]) -> None:
    assert known["Q90"].country == "FR"
    assert (known["Q90"].lat, known["Q90"].lon) == (48.8567, 2.3522)


def test_a_deprecated_statement_is_no_statement(known: dict[str, Known]) -> None:
    """Ignored: the wrong code of a country, nine million Parisians, and an office that was never held."""
    assert known["Q30"].country == "US"
    assert known["Q90"].prominence == pytest.approx(0.78)
    assert known["Q3052772"].roles == {"president"}


def test_years_are_of_the_latest_office_and_terms_in_a_row_are_one(known: dict[str, Known]) -> None:
    assert (known["Q3052772"].start, known["Q3052772"].end) == (2017, None)
    assert (known["Q76"].start, known["Q76"].end, known["Q76"].roles) == (2009, 2017, {"president"})


def test_death_ends_an_office(known: dict[str, Known]) -> None:
    assert (known["Q9682"].start, known["Q9682"].end, known["Q9682"].roles) == (1952, 2022, {"queen"})


def test_a_country_of_the_past_gives_way_and_an_unknown_one_is_none(known: dict[str, Known]) -> None:
    assert known["Q990002"].country == "US"
    assert not known["Q9682"].country


def test_prominence_follows_the_wikipedias(known: dict[str, Known]) -> None:
    order = sorted(("Q76", "Q3052772", "Q990002"), key=lambda qid: known[qid].prominence, reverse=True)
    assert order == ["Q76", "Q3052772", "Q990002"]
    assert known["Q142"].prominence == known["Q30"].prominence == pytest.approx(0.9)
    assert known["Q990002"].prominence == pytest.approx(0.5)


def test_names_have_their_languages(gazetteer: Gazetteer) -> None:
    """Norwegian and Chinese each have one tag. A single word is a name of a person only if it is the label."""
    assert spellings(gazetteer, "Q3052772") == {
        "E. Macron": "*",
        "Emmanuel Jean-Michel Frédéric Macron": "fr",
        "Emmanuel Macron": "*",
        "Эмманюэль Макрон": "ru",
        "埃马纽埃尔·马克龙": "zh",
    }
    assert spellings(gazetteer, "Q90")["Paris"] == "en,fr,no"
    assert spellings(gazetteer, "Q142")["法國"] == spellings(gazetteer, "Q142")["法国"] == "zh"
    assert spellings(gazetteer, "Q142")["Францыя"] == "be"
    assert spellings(gazetteer, "Q30")["USA"] == "de,en"
    assert "Obama" not in spellings(gazetteer, "Q76")


def test_the_gazetteer_finds_names_and_knows_demonyms(gazetteer: Gazetteer) -> None:
    (match,) = gazetteer.find("Вчера Эмманюэль Макрон выступил с речью.")
    assert gazetteer.entities[match.aliases[0].entity].id == "Q3052772"
    assert "US" in gazetteer.demonyms.values()


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress], ids=["gz", "bz2"])
def test_packed_dumps_give_the_same_file(packed: Callable[[bytes], bytes], tmp_path: Path, target: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(packed(SAMPLE.read_bytes()))
    build_from_dump(dump, tmp_path / "out.tsv.gz")
    assert (tmp_path / "out.tsv.gz").read_bytes() == target.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a Wikidata JSON dump"),
        (b"guid,content\n1,text\n" * 2000, "not a Wikidata JSON dump"),
        (gzip.compress(SAMPLE.read_bytes())[:-2000], "ends in the middle"),
    ],
    ids=["empty", "csv", "cut"],
)
def test_what_is_no_dump_is_said_and_the_old_file_stays(content: bytes, words: str, tmp_path: Path) -> None:
    dump, target = tmp_path / "dump", tmp_path / "names.tsv.gz"
    dump.write_bytes(content)
    target.write_bytes(b"old")
    with pytest.raises(DumpError, match=words):
        build_from_dump(dump, target)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"item","id":"Q1","labels":{},"claims":{"P31":[{"rank":"normal"}]}},',
        b'{"type":"item","id":"Q1","labels":{"en":{"language":"en"}},"claims":[]}',
        b'{"type":"item","id":"Q1"}',
        b"[1, 2]",
        b'"text"',
        b"\xff\xfe",
    ],
)
def test_a_broken_line_is_counted_and_leaves_nothing(line: bytes) -> None:
    collector = Collector()
    collector.take(line)
    assert (collector.broken, collector.read, collector.kept) == (1, 0, {})


def test_an_office_is_what_it_is_a_kind_of_also_in_a_circle() -> None:
    """Offices in a circle give no role. A president of a distant class gives one."""
    parents = {"Q1": {"Q2"}, "Q2": {"Q1"}, "Q3": {"Q4"}, "Q4": {"Q30461"}}
    collector = Collector(offices={office: frozenset(kinds) for office, kinds in parents.items()})
    assert [collector._role(office) for office in ("Q1", "Q3", "Q30461", "Q9")] == ["", "president", "president", ""]

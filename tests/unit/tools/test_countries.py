"""Countries are found by their names in lists of office holders."""

from __future__ import annotations

import json
from pathlib import Path

from services.entities.gazetteer import load_gazetteer
from tools.countries import country_codes, letters_of

TERRITORIES = [
    {"name": "Georgia", "full_name": "Georgia (US)", "names_strong": [], "code": "us-ga", "parent": "us"},
    {"name": "Georgia", "full_name": "Georgia", "names_strong": [], "code": "ge", "parent": None},
    {"name": "Scotland", "full_name": "Scotland", "names_strong": [], "code": "gb-sct", "parent": "gb"},
    {"name": "United States", "full_name": "United States of America", "names_strong": ["USA"], "code": "us"},
]


def test_a_country_is_found_under_every_name_and_a_part_under_its_own(tmp_path: Path) -> None:
    path = tmp_path / "territories.jsonl"
    rows = [row | {"is_country": len(str(row["code"])) == 2} for row in TERRITORIES]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf8")
    codes = country_codes({"AG": "Antigua & Barbuda"}, path)
    asked = ["United States", "usa", "Georgia", "Scotland", "Antigua and Barbuda", "Antigua Barbuda", "World"]
    assert [codes.get(letters_of(name)) for name in asked] == ["US", "US", "GE", "GB", "AG", "AG", None]


def test_nearly_every_office_holder_has_a_country() -> None:
    people = [entity for entity in load_gazetteer().entities if entity.type == "PER"]
    assert sum(not person.country for person in people) < 0.02 * len(people)

"""ISO codes of countries by the names that lists of office holders give them."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

CODES_BY_HAND = {"republicofthecongo": "CG"}
"""Countries of office holders under names that no list has."""


def country_codes(names: dict[str, str], territories: Path) -> dict[str, str]:
    """ISO codes of countries by their names as letters (`letters_of`), and of their parts by the parts' names."""
    rows = [json.loads(line) for line in territories.read_text(encoding="utf8").splitlines()]
    codes = {letters_of(name): iso for iso, name in names.items()} | CODES_BY_HAND
    for row in sorted(rows, key=lambda row: not row["is_country"]):  # a country's name before a part's: Georgia
        code = row["code"] if row["is_country"] else row.get("parent") or ""
        called = [row["name"], row["full_name"], *row["names_strong"]]
        if re.fullmatch("[a-z]{2}", code):
            for name in called if row["is_country"] else called[:1]:
                codes.setdefault(letters_of(name), code.upper())
    return codes


def letters_of(name: str) -> str:
    """A name without case, marks, spaces and `and`: `Antigua & Barbuda` and `Antigua Barbuda` are one."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(word for word in re.findall(r"[^\W\d_]+", plain) if word != "and")

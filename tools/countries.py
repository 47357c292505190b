"""ISO codes of countries by their names in lists of office holders."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

CODES_BY_HAND = {"republicofthecongo": "CG"}
"""Countries of office holders whose names are in no list."""


def country_codes(names: dict[str, str], territories: Path) -> dict[str, str]:
    """ISO codes by the letters (`letters_of`) of names. The names are those of countries and of their parts."""
    rows = [json.loads(line) for line in territories.read_text(encoding="utf8").splitlines()]
    codes = {letters_of(name): iso for iso, name in names.items()} | CODES_BY_HAND
    for row in sorted(
        rows, key=lambda row: not row["is_country"]
    ):  # countries come before parts of countries with the same name: Georgia
        code = row["code"] if row["is_country"] else row.get("parent") or ""
        called = [row["name"], row["full_name"], *row["names_strong"]]
        if re.fullmatch("[a-z]{2}", code):
            for name in called if row["is_country"] else called[:1]:
                codes.setdefault(letters_of(name), code.upper())
    return codes


def letters_of(name: str) -> str:
    """A name without case, marks, spaces and `and`. `Antigua & Barbuda` and `Antigua Barbuda` give the same letters."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(word for word in re.findall(r"[^\W\d_]+", plain) if word != "and")

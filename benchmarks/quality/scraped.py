"""Makes "scraped text" with known truth: real articles with furniture from `patterns/*.yaml`. A seed decides the result.

    python -m benchmarks.quality.scraped seen        (or held_out: prints JSON lines)

The author of the rules has read `seen.yaml` but not `held_out.yaml`.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from babel.dates import format_datetime

FOLDER = Path(__file__).parent
GLUE = "{glue}"
"""The end of a pattern that stands in front of the first sentence."""
Half = Literal["seen", "held_out"]
Pattern = str | list[str]
LOCALES = {"zh": "zh_Hans", "ar": "ar_EG"}
SHORT = {
    "nl": "dd-MM-yyyy", "de": "dd.MM.yyyy", "ru": "dd.MM.yyyy", "uk": "dd.MM.yyyy", "tr": "dd.MM.yyyy", "pl": "dd.MM.yyyy",
    "zh": "yyyy-MM-dd", "ja": "yyyy/MM/dd", "sv": "yyyy-MM-dd",
}  # fmt: skip
LONG = {"en": "MMMM d, y", "es": "d 'de' MMMM 'de' y", "pt": "d 'de' MMMM 'de' y", "zh": "y年M月d日", "ja": "y年M月d日"}
PEOPLE = {
    "en": ["Sarah Whitmore", "Tom Okafor"], "nl": ["Marieke de Vries", "Bas van Dijk"], "de": ["Anna Schreiber", "Jörg Lindner"],
    "fr": ["Camille Lefèvre", "Julien Moreau"], "es": ["Lucía Herrera", "Pablo Iglesias Ruiz"], "it": ["Giulia Ferrante", "Marco De Santis"],
    "pt": ["Joana Figueiredo", "Rafael Teixeira"], "ru": ["Ирина Соколова", "Павел Журавлёв"], "uk": ["Олена Ковальчук", "Тарас Мельник"],
    "ar": ["سامي الخطيب", "ليلى منصور"], "zh": ["王晓明", "李静怡"], "ja": ["佐藤 健一", "鈴木美咲"], "tr": ["Elif Yıldırım", "Murat Şahin"],
    "pl": ["Katarzyna Wójcik", "Piotr Zieliński"], "sv": ["Karin Lindqvist", "Erik Åberg"],
}  # fmt: skip
CITIES = {
    "en": ["Boston", "Leeds"], "nl": ["Utrecht", "Gent"], "de": ["Hamburg", "Wien"], "fr": ["Lyon", "Bruxelles"], "es": ["Sevilla", "Lima"],
    "it": ["Torino", "Bari"], "pt": ["Porto", "Recife"], "ru": ["Казань", "Минск"], "uk": ["Львів", "Одеса"], "ar": ["القاهرة", "بيروت"],
    "zh": ["上海", "台北"], "ja": ["大阪", "札幌"], "tr": ["Ankara", "İzmir"], "pl": ["Kraków", "Gdańsk"], "sv": ["Göteborg", "Malmö"],
}  # fmt: skip
AGENCY = {
    "en": "Reuters", "nl": "ANP", "de": "dpa", "fr": "AFP", "es": "EFE", "it": "ANSA", "pt": "Lusa", "ru": "ТАСС", "uk": "Укрінформ",
    "ar": "رويترز", "zh": "新华社", "ja": "共同通信", "tr": "AA", "pl": "PAP", "sv": "TT",
}  # fmt: skip
SITE = {
    "en": "The Harbour Post", "nl": "Stadsbode", "de": "Nordkurier Heute", "fr": "Le Courrier du Midi", "es": "El Faro Digital", "it": "Il Corriere Nuovo",
    "pt": "Diário do Vale", "ru": "Вестник Дня", "uk": "Новини Дня", "ar": "صحيفة المدار", "zh": "晨光新闻网", "ja": "みなと新聞", "tr": "Günebakan Haber",
    "pl": "Kurier Poranny", "sv": "Kustbladet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A clean article to dress, one paragraph per string."""

    id: str
    language: str
    title: str
    paragraphs: tuple[str, ...]


@cache
def patterns(half: Half) -> dict[str, dict[str, list[Pattern]]]:
    """Language → kind → patterns."""
    loaded: dict[str, dict[str, list[Pattern]]] = yaml.safe_load(
        (FOLDER / "patterns" / f"{half}.yaml").read_text("utf8")
    )
    return loaded


TAIL = (
    ("related", 0.5), ("share", 0.35), ("newsletter", 0.35), ("comments", 0.4), ("undated", 0.35), ("source", 0.25),
    ("navigation", 0.35), ("copyright", 0.4), ("cookies", 0.2),
)  # fmt: skip
INSIDE = (("related", 0.3), ("navigation", 0.2), ("caption", 0.15))
"""Kinds of furniture below and inside an article, each with its probability."""


@dataclass(slots=True)
class Dresser:
    """Dresses articles, one after another. `random` makes all decisions."""

    half: Half
    random: random.Random
    teasers: dict[str, list[str]]

    def dress(self, source: Source, number: int, *, is_dated: bool) -> dict[str, Any]:
        """One row: content, title, date or null, lines to keep and lines to drop."""
        at = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(
            days=self.random.randrange(5000), minutes=self.random.randrange(1440)
        )
        values = self._values(source, at)
        stated = self.random.choice(["header", "header", "trailer", "both"]) if is_dated else "none"
        dated = self._block(source, "date_header", values) if stated in {"header", "both"} else []
        glued = next((line for line in dated if line.endswith(GLUE)), None)
        head = self._head(source, values, [] if glued else dated)
        body, inserted = self._body(source, values, glued)
        tail = self._maybe(source, "agency", 0.3, values)
        tail += self._block(source, "date_trailer", values) if stated in {"trailer", "both"} else []
        for kind, chance in TAIL:
            tail += self._maybe(source, kind, chance, values)
        drop = [line for line in [*head, *inserted, *tail] if line != source.title]
        drop += [glued.removesuffix(GLUE).strip()] if glued else []
        content = "\n".join([*head, *body, *tail])
        return {
            "id": f"{self.half}:{source.id}:{number}",
            "lang": source.language,
            "content": content.replace("\n", self.random.choice(["\n", "\n\n", "\n \n"])),
            "title": source.title,
            "date": at.date().isoformat() if is_dated else None,
            "keep": list(source.paragraphs),
            "drop": _distinct(drop, source),
        }

    def _head(self, source: Source, values: dict[str, str], dated: list[str]) -> list[str]:
        under = [
            *self._maybe(source, "byline", 0.4, values),
            *self._maybe(source, "share", 0.25, values),
            *self._maybe(source, "navigation", 0.2, values),
        ]
        titled = [*self._maybe(source, "site", 0.4, values), source.title]
        return [*dated, *titled, *under] if self.random.random() < 0.25 else [*titled, *dated, *under]

    def _body(self, source: Source, values: dict[str, str], glued: str | None) -> tuple[list[str], list[str]]:
        """The lines of the article with furniture among them, and a list of that furniture."""
        captions = self._maybe(source, "caption", 0.4, values)
        first = glued.replace(GLUE, source.paragraphs[0]) if glued else source.paragraphs[0]
        body, inserted = [*captions, first, *source.paragraphs[1:]], list(captions)
        if len(source.paragraphs) > 4:
            for kind, chance in INSIDE:
                block = self._maybe(source, kind, chance, values)
                place = self.random.randrange(2, len(body) - 1)
                body[place:place] = block
                inserted += block
        return body, inserted

    def _values(self, source: Source, at: datetime) -> dict[str, str]:
        language = source.language
        long = LONG.get(language, "d MMMM y")
        other = at + timedelta(days=self.random.choice([-400, -30, 12, 90]))
        return {
            "iso": at.date().isoformat(),
            "date_long": _say(at, long, language),
            "date_short": _say(at, SHORT.get(language, "dd/MM/yyyy"), language),
            "weekday": _say(at, "EEEE", language).lower(),
            "time": at.strftime("%H:%M"),
            "person": self.random.choice(PEOPLE[language]),
            "city": self.random.choice(CITIES[language]),
            "agency": AGENCY[language],
            "site": SITE[language],
            "year": str(at.year),
            "event_date": _say(other, long, language),
        }

    def _maybe(self, source: Source, kind: str, chance: float, values: dict[str, str]) -> list[str]:
        return self._block(source, kind, values) if self.random.random() < chance else []

    def _block(self, source: Source, kind: str, values: dict[str, str]) -> list[str]:
        chosen = self.random.choice(patterns(self.half)[source.language][kind])
        lines = [chosen] if isinstance(chosen, str) else chosen
        return [self._fill(line, source.language, values) for line in lines]

    def _fill(self, line: str, language: str, values: dict[str, str]) -> str:
        line = line.replace("{teaser}", self.random.choice(self.teasers[language]).replace("{", ""))
        for name, value in values.items():
            line = line.replace("{" + name + "}", value)
        return line


def _say(at: datetime, form: str, language: str) -> str:
    return str(format_datetime(at, form, locale=LOCALES.get(language, language)))


def _distinct(lines: list[str], source: Source) -> list[str]:
    """Lines without those that also occur in the article, because a search could not tell them apart."""
    article = " ".join([source.title, *source.paragraphs]).casefold()
    words = [line for line in dict.fromkeys(lines) if any(character.isalnum() for character in line)]
    return [line for line in words if line.casefold().strip(" .:") not in article]


def make_set(sources: list[Source], half: Half, seed: int, *, rows: int) -> Iterator[dict[str, Any]]:
    """This many rows. Every second row has no date. The sources take turns."""
    chooser = random.Random(f"{seed}:{half}")
    teasers: dict[str, list[str]] = {}
    for source in sources:
        teasers.setdefault(source.language, []).append(source.title)
    dresser = Dresser(half, chooser, teasers)
    order = list(sources)
    chooser.shuffle(order)
    for number in range(rows):
        source = order[number % len(order)]
        yield dresser.dress(source, number, is_dated=(number + number // len(order)) % 2 == 0)


def main(half: Half) -> None:
    """Print the shipped set of one half."""
    from benchmarks.quality.corpora import shippable_sources

    for row in make_set(shippable_sources(), half, seed=5, rows=480):
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main("held_out" if sys.argv[1:] == ["held_out"] else "seen")

"""Times every stage on texts that are made to be slow, at 10,000, 100,000 and 1,000,000 characters.

`python -m benchmarks.speed.hostile` measures some of them only. The stages run without a limit of time here.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from schemas.article import ContentType, RawArticle
from services.common.messages import RejectedMessage
from services.worker.stages import Stage, run_stage, stage_slice, to_draft, warm_up

SIZES: Final = (10_000, 100_000, 1_000_000)
TOO_LONG: Final = 60.0
"""Seconds after which a text is not tried at the next size."""
PEOPLE: Final = ("Angela Merkel", "Vladimir Putin", "Emmanuel Macron", "Joe Biden", "Xi Jinping", "Olaf Scholz")


def _repeat(piece: str) -> Callable[[int], str]:
    return lambda characters: (piece * (characters // len(piece) + 1))[:characters]


def _numbered(piece: str) -> Callable[[int], str]:
    """Pieces that all differ: `{}` becomes a number in letters."""

    def make(characters: int) -> str:
        pieces: list[str] = []
        total = 0
        while total < characters:
            made = piece.format(_letters(len(pieces)))
            pieces.append(made)
            total += len(made)
        return "".join(pieces)[:characters]

    return make


def _letters(number: int) -> str:
    """A number as consonants and vowels: 0 is `ba`."""
    consonants, vowels = "bdfgklmnprst", "aeiou"
    text = ""
    while True:
        number, left = divmod(number, len(consonants) * len(vowels))
        text += consonants[left // len(vowels)] + vowels[left % len(vowels)]
        if not number:
            return text


TEXTS: Final[dict[str, Callable[[int], str]]] = {
    "plain sentences": _repeat("The council said on Monday that the bridge would be closed for three weeks. "),
    "a country without spaces": _repeat("中国"),
    "the same person": _repeat("Angela Merkel spoke. "),
    "many persons and their family names": _repeat(
        " ".join(f"{who} said that {who.split()[-1]} left." for who in PEOPLE)
    ),
    "an office": _repeat("Vladimir Putin met the Russian president. "),
    "names that no list holds": _numbered("Mr {0} Ka{0} met the mayor of T{0}. "),
    "one family name, many persons": _numbered("K{} Smith met Smith. "),
    "unlisted names with one word": _numbered("Smith Ka{0} said so. "),
    "capitals": _repeat("A B C "),
    "capital words": _numbered("M{} "),
    "one word": _repeat("a"),
    "one capital word": _repeat("AB"),
    "short lines": _numbered("{}\n"),
    "equal lines": _repeat("Read more\n"),
    "lines of sentences": _numbered("The town of {} has a new mayor since last week, people said.\n"),
    "dates": _repeat("21 March 2021 10:15 "),
    "lines of dates": _repeat("Published on 21 March 2021\n"),
    "digits": _repeat("1"),
    "numbers": _repeat("1 000.5, "),
    "full stops": _repeat("."),
    "quotes": _repeat("“'"),
    "spaces": lambda characters: "a" + " " * (characters - 2) + "b",
    "entities": _repeat("&amp;"),
    "damaged characters": _repeat("Ã©"),
    "combining marks": _repeat("e\u0301"),
    "Arabic": _repeat("والصين "),
    "Thai without spaces": _repeat("ประเทศจีน"),
    "emoji": _repeat("👩‍👩‍👧"),
}
PAGES: Final[dict[str, Callable[[int], str]]] = {
    "HTML of paragraphs": lambda characters: _page(_repeat("<p>The bridge is closed, he said.</p>")(characters)),
    "deep HTML": lambda characters: _page("<div>" * (characters // 11) + "x" + "</div>" * (characters // 11)),
    "open HTML": lambda characters: _page(_repeat("<b>x ")(characters)),
    "HTML of links": lambda characters: _page(_repeat("<a href='/x'>news of today</a> ")(characters)),
    "HTML of tables": lambda characters: _page(_repeat("<table><tr><td>x ")(characters)),
    "HTML of comments": lambda characters: _page(_repeat("<!--")(characters)),
}


def _page(body: str) -> str:
    return f"<html><head><title>The bridge</title></head><body><article>{body}</article></body></html>"


def measure(name: str, characters: int, stages: tuple[Stage, ...]) -> dict[str, Any]:
    """Seconds of processor time of each stage on one text."""
    content = (TEXTS | PAGES)[name](characters)
    raw = RawArticle(
        article_id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        source_id="hostile",
        content_type=ContentType.HTML if name in PAGES else ContentType.TEXT,
        content=content,
        fetched_at=datetime.now(UTC),
        content_hash="0" * 64,
        revision=1,
    )
    draft = to_draft(raw)
    seconds: dict[str, float | str] = {}
    for stage in stages:
        started = time.process_time()
        try:
            draft = run_stage(draft, stage)
        except RejectedMessage as rejected:
            seconds["refused"] = f"{stage.name}: {rejected.error_class}"
            break
        finally:
            seconds[stage.name] = round(time.process_time() - started, 3)
    return {"text": name, "characters": characters, "seconds": seconds}


def measure_all(
    sizes: tuple[int, ...] = SIZES, names: tuple[str, ...] = (), on_text: Callable[[str], object] = str
) -> list[dict[str, Any]]:
    """The figures of every text and size. A text that took too long is not tried at the next size."""
    stages = stage_slice((), vectors=True)
    warm_up(stages)
    figures = []
    for name in names or (*TEXTS, *PAGES):
        for characters in sizes:
            on_text(f"{name}, {characters:,} characters")
            figures.append(measure(name, characters, stages))
            if sum(value for value in figures[-1]["seconds"].values() if isinstance(value, float)) > TOO_LONG:
                break
    return figures


def main() -> None:
    """Measure, and print one JSON line for each text and size."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.hostile", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="N", help="characters")
    parser.add_argument("--texts", nargs="+", default=[], choices=[*TEXTS, *PAGES], help="these texts only")
    arguments = parser.parse_args()
    for figures in measure_all(tuple(arguments.sizes), tuple(arguments.texts)):
        print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()

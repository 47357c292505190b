"""Draws `docs/images/language-reliability.svg`, which shows how reliable a confidence is.

Run it with `python -m benchmarks.quality.plot`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.corpus import ROOT
from benchmarks.quality.texts import NTREX_TO_BCP47, SAME_LANGUAGE, SAMPLES, language_rows, reliability
from services.language import language_of

TARGET = ROOT / "docs" / "images" / "language-reliability.svg"
EDGES = (0.0, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 0.99, 1.01)
SIZE, MARGIN = 400, 50
WIDTH = SIZE + 2 * MARGIN
COLOURS = {"headlines": "#1f77b4", "80_characters": "#2ca02c", "30_characters": "#d62728"}


def place(value: float) -> float:
    """The horizontal position of a confidence, in pixels."""
    return MARGIN + value * SIZE


def up(value: float) -> float:
    """The vertical position of a share, in pixels from the top."""
    return MARGIN + SIZE - value * SIZE


def draw(series: Mapping[str, Sequence[tuple[float, float, int]]]) -> str:
    """An SVG of confidence (across) and share of right answers (up). Larger points stand for more answers."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{WIDTH}" font-family="sans-serif">',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIZE}" height="{SIZE}" fill="white" stroke="#888"/>',
        f'<line x1="{place(0)}" y1="{up(0)}" x2="{place(1)}" y2="{up(1)}" stroke="#bbb" stroke-dasharray="4"/>',
        f'<text x="{place(0.5)}" y="{up(0) + 38}" text-anchor="middle">confidence</text>',
        f'<text x="14" y="{up(0.5)}" transform="rotate(-90 14 {up(0.5)})" text-anchor="middle">share right</text>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="{place(tick)}" y="{up(0) + 18}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{MARGIN - 8}" y="{up(tick) + 4}" text-anchor="end">{tick:g}</text>')
    for row, (name, points) in enumerate(series.items()):
        colour = COLOURS[name]
        path = " ".join(f"{place(x):.1f},{up(y):.1f}" for x, y, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"/>')
        for x, y, count in points:
            radius = 2 + min(8.0, count**0.5 / 8)
            parts.append(f'<circle cx="{place(x):.1f}" cy="{up(y):.1f}" r="{radius:.1f}" fill="{colour}"/>')
        label = name.replace("_", " ")
        parts.append(f'<text x="{MARGIN + 12}" y="{MARGIN + 20 + 16 * row}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Measure on NTREX and write the picture."""
    rows = language_rows()
    series = {}
    for name in COLOURS:
        answers = []
        for row in rows:
            found = language_of(SAMPLES[name](row))
            truth = NTREX_TO_BCP47[row["lang"].split("-")[0]]
            if found.code != "und":
                answers.append((found.confidence, SAME_LANGUAGE.get(found.code, found.code) == truth))
        series[name] = reliability(answers, EDGES)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(draw(series), encoding="utf8")


if __name__ == "__main__":
    main()

"""Draws `docs/images/dedup-scale.svg`. Run it with `python -m benchmarks.speed.grouping_scale_plot`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from benchmarks.corpus import ROOT
from benchmarks.speed.grouping_scale import RESULTS

PLOT = ROOT / "docs" / "images" / "dedup-scale.svg"
WIDTH, HEIGHT, MARGIN, GAP = 340, 260, 60, 60
COLOURS = ("#1f77b4", "#d62728", "#2ca02c")
PANELS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("ms an article", {"with_vectors.mean_ms": "mean, with vectors", "without_vectors.mean_ms": "mean, without",
                       "without_vectors.p99_ms": "99th percentile, without"}),
    ("MiB", {"memory_mib": "resident memory"}),
)  # fmt: skip


def draw(found: Sequence[Mapping[str, float]]) -> str:
    """An SVG with one panel for time and one for memory, by the number of live articles. Both axes are logarithmic."""
    wide = 2 * MARGIN + 2 * WIDTH + GAP + MARGIN
    tall = HEIGHT + 2 * MARGIN
    style = 'font-family="sans-serif" font-size="12"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{tall}" {style}>']
    for number, (title, lines) in enumerate(PANELS):
        parts += _panel(MARGIN + number * (WIDTH + GAP + MARGIN / 2), title, lines, found)
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: float, title: str, lines: Mapping[str, str], found: Sequence[Mapping[str, float]]) -> list[str]:
    sizes = [math.log10(measured["live_articles"]) for measured in found]
    values = [math.log10(max(measured[name], 1e-3)) for measured in found for name in lines]
    low, high = math.floor(min(values)), math.ceil(max(values))

    def across(size: float) -> float:
        return left + (size - sizes[0]) / max(sizes[-1] - sizes[0], 1e-9) * WIDTH

    def up(value: float) -> float:
        return MARGIN + HEIGHT - (value - low) / max(high - low, 1) * HEIGHT

    parts = [
        f'<rect x="{left}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" fill="white" stroke="#888"/>',
        f'<text x="{left + WIDTH / 2}" y="{MARGIN + HEIGHT + 38}" text-anchor="middle">live articles</text>',
        f'<text x="{left}" y="{MARGIN - 10}">{title}</text>',
    ]
    for measured, size in zip(found, sizes, strict=True):
        label = f"{measured['live_articles']:,.0f}"
        parts.append(f'<text x="{across(size):.0f}" y="{MARGIN + HEIGHT + 18}" text-anchor="middle">{label}</text>')
    for tick in range(low, high + 1):
        parts.append(f'<text x="{left - 6}" y="{up(tick) + 4:.0f}" text-anchor="end">{10**tick:,g}</text>')
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{up(tick):.0f}" y2="{up(tick):.0f}" stroke="#ddd"/>')
    for row, ((name, label), colour) in enumerate(zip(lines.items(), COLOURS, strict=False)):
        points = [
            (across(size), up(math.log10(max(measured[name], 1e-3))))
            for measured, size in zip(found, sizes, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{left + 12}" y="{MARGIN + 20 + 16 * row}" fill="{colour}">{label}</text>')
    return parts


def main() -> None:
    """Read the figures and write the picture."""
    PLOT.write_text(draw(json.loads(RESULTS.read_text(encoding="utf8"))), encoding="utf8")


if __name__ == "__main__":
    main()

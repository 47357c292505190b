"""Draws lines as SVG, with one panel beside the other. Both axes begin at 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil

WIDTH, HEIGHT, MARGIN, GAP = 340, 240, 60, 70
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2")
FONT = 'font-family="sans-serif" font-size="12"'
TICKS = 5
ROW = 16
"""The height of a line's name. Names stand below the axis, where no line is."""
NICE = (1, 2, 2.5, 5, 10)
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its title, the name of the horizontal axis, and its lines by name."""

    title: str
    axis: str
    lines: Mapping[str, Sequence[Point]]


def draw(panels: Sequence[Panel]) -> str:
    """The picture."""
    wide = MARGIN + len(panels) * (WIDTH + GAP)
    tall = HEIGHT + 2 * MARGIN + ROW * max(len(panel.lines) for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{tall}" {FONT}>',
        f'<rect width="{wide}" height="{tall}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts += _draw_panel(MARGIN + number * (WIDTH + GAP), panel)
    return "\n".join([*parts, "</svg>", ""])


def step_of(most: float) -> float:
    """A round distance between ticks, so that at most `TICKS` of them reach over a value."""
    power = 1.0
    while power * 10 * TICKS < most:
        power *= 10
    while power * TICKS > most * 10:
        power /= 10
    return next((power * nice for nice in NICE if power * nice * TICKS >= most), power * 10)


def _draw_panel(left: float, panel: Panel) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    highest = [max(point[axis] for point in points) or 1.0 for axis in (0, 1)]
    steps = [step_of(most) for most in highest]
    ticks = [ceil(most / step) for most, step in zip(highest, steps, strict=True)]

    def place(point: Point) -> Point:
        x, y = (value / (step * count) for value, step, count in zip(point, steps, ticks, strict=True))
        return left + x * WIDTH, MARGIN + HEIGHT - y * HEIGHT

    parts = [
        f'<text x="{left}" y="{MARGIN - 12}" font-weight="bold">{escape(panel.title)}</text>',
        f'<text x="{left + WIDTH / 2}" y="{MARGIN + HEIGHT + 38}" text-anchor="middle">{escape(panel.axis)}</text>',
    ]
    for tick in range(ticks[1] + 1):
        _, y = place((0, steps[1] * tick))
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{steps[1] * tick:,g}</text>')
    for tick in range(ticks[0] + 1):
        x, _ = place((steps[0] * tick, 0))
        parts.append(f'<text x="{x:.0f}" y="{MARGIN + HEIGHT + 18}" text-anchor="middle">{steps[0] * tick:,.0f}</text>')
    for row, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[row % len(COLOURS)]
        placed = [place(point) for point in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        y = MARGIN + HEIGHT + 42 + ROW * (row + 1)
        parts.append(f'<text x="{left}" y="{y}" fill="{colour}">● {escape(name)}</text>')
    return parts

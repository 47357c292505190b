"""The parts of a growth run, and the picture of them."""

from __future__ import annotations

import pytest
from lxml import etree

from benchmarks.speed.growth import Mark, to_parts, to_picture, to_table
from benchmarks.speed.svg import TICKS, step_of

MOMENTS = [
    Mark(0, 100.0, {"dedup": 1.0, "worker-1": 2.0}),
    Mark(2000, 140.0, {"dedup": 11.0, "worker-1": 12.0, "worker-2": 4.0}),
    Mark(5000, 240.0, {"dedup": 41.0, "worker-1": 12.0, "worker-2": 34.0}),
]


def test_a_part_is_what_was_done_and_spent_between_two_moments() -> None:
    first, second = to_parts(MOMENTS)
    assert (first["from"], first["to"], first["articles_per_second"]) == (0, 2000, 50.0)
    assert first["cpu_ms"] == {"dedup": 5.0, "workers": 7.0}
    assert (second["from"], second["to"], second["articles_per_second"]) == (2000, 5000, 30.0)
    assert second["cpu_ms"] == {"dedup": 10.0, "workers": 10.0}


def test_a_run_that_was_given_up_tells_what_came() -> None:
    """Two marks at the same article: nothing is divided by zero articles."""
    stuck = to_parts([MOMENTS[0], Mark(0, 200.0, {"dedup": 2.0})])
    assert stuck[0]["articles_per_second"] == 0.0


def test_the_picture_is_svg_with_a_point_for_each_part() -> None:
    run = {"vectors": False, "pages": True, "parts": to_parts(MOMENTS)}
    tree = etree.fromstring(to_picture([run]))
    assert len(tree.findall(".//{*}circle")) == 2 * (1 + 5)
    texts = [(text.text or "").removeprefix("● ") for text in tree.findall(".//{*}text")]
    assert {"pages without vectors", "dedup", "CPU-ms an article, pages without vectors"} <= set(texts)
    assert to_table(run).row_count == 2


def test_names_of_lines_stand_below_the_axis_where_no_line_is() -> None:
    tree = etree.fromstring(to_picture([{"vectors": False, "pages": True, "parts": to_parts(MOMENTS)}]))
    lowest = max(float(point.get("cy")) for point in tree.findall(".//{*}circle"))
    names = [text for text in tree.findall(".//{*}text") if (text.text or "").startswith("● ")]
    assert len(names) == 6
    assert all(lowest < float(name.get("y")) < float(tree.get("height")) for name in names)


@pytest.mark.parametrize(("most", "step"), [(50, 10), (51, 20), (0.4, 0.1), (20_000, 5000), (9, 2), (100, 20)])
def test_ticks_are_at_round_numbers_and_reach_over_the_most(most: float, step: float) -> None:
    assert step_of(most) == pytest.approx(step)
    assert step * TICKS >= most

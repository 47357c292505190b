"""One set of figures per release, made from the committed results."""

from __future__ import annotations

import pytest

from tools import figures
from tools.figures import BEGIN, END, render, replaced


def test_the_changelog_has_the_committed_figures() -> None:
    assert figures.main(["--check"]) == 0


def test_figures_stand_between_the_marks_and_nothing_else_changes() -> None:
    text = f"before\n{BEGIN}\n\nold\n\n{END}\nafter\n"
    assert replaced(text, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replaced(replaced(text, "new"), "new") == replaced(text, "new")


def test_a_changelog_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold the lines"):
        replaced("text", "new")


def test_a_figure_that_is_not_measured_is_an_error() -> None:
    """A row must not vanish in silence when a figure gets another name."""
    with pytest.raises(KeyError, match=r"language\.documents\.macro_f1"):
        figures.quality_rows({})


def test_conditions_stand_beside_the_figures() -> None:
    text = render()
    assert "2 cores, which Kafka and Elasticsearch share" in text
    assert text.count("measured on 20") == 2

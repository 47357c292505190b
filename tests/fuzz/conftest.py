"""Prints what is needed to repeat a run."""

from __future__ import annotations

import pytest

from tests.fuzz.effort import EXAMPLES, SEED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last line: how many inputs for each reader, and from which seed."""
    terminalreporter.write_line(
        f"Tried {EXAMPLES} inputs for each reader. Repeat: make fuzz EXAMPLES={EXAMPLES} SEED={SEED}"
    )

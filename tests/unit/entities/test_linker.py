"""What the stage links with is handed in, and its version tells when a user has changed that."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.entities import VERSION, EntityLinker, EntitySettings

OVERRIDES = "entities:\n  - {id: 'local:harbour', type: ORG, name: Harbour Board, add: {en: [Harbour Board]}}\n"


def linker(home: Path, **values: object) -> EntityLinker:
    return EntityLinker(EntitySettings.model_validate({"home": home, **values}))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DRAGOMAN_ENTITIES", "DRAGOMAN_GAZETTEER", "DRAGOMAN_NAMES"):
        monkeypatch.delenv(name, raising=False)


def test_as_shipped_the_version_is_the_stages(tmp_path: Path) -> None:
    assert linker(tmp_path).version == VERSION
    assert linker(tmp_path).overrides is None
    assert linker(tmp_path).finder is None


def test_a_users_names_change_the_version_with_their_content(tmp_path: Path) -> None:
    """Else two articles under one version could be linked with different names."""
    file = tmp_path / "entities.yaml"
    file.write_text(OVERRIDES)
    first = linker(tmp_path).version
    assert first.startswith(f"{VERSION}+")
    assert linker(tmp_path).version == first
    assert linker(tmp_path / "other", entities=file).version == first, "by content, not by place"
    file.write_text(OVERRIDES.replace("Board", "Authority"))
    assert linker(tmp_path).version not in {first, VERSION}


def test_another_gazetteer_or_finder_is_another_version(tmp_path: Path) -> None:
    other = tmp_path / "own.tsv.gz"
    other.write_bytes(b"x")
    versions = {
        linker(tmp_path).version,
        linker(tmp_path, gazetteer=other).version,
        linker(tmp_path, names="crf").version,
        linker(tmp_path, gazetteer=other, names="crf").version,
    }
    assert len(versions) == 4


def test_the_environment_is_read_by_the_settings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A linker that was made keeps what it was given."""
    made = linker(tmp_path)
    monkeypatch.setenv("DRAGOMAN_NAMES", "crf")
    assert made.finder is None

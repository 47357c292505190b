"""Secrets are made once, and nobody else can read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.common.private_files import close_folder, keep_secret, new_secret, only_for_us, write_private


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_private_file_is_replaced_whole_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "a", "one")
        write_private(tmp_path / "a", "two")
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_text() == "two"
    assert mode(tmp_path / "a") == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_an_open_file_of_before_does_not_stay_open(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o644)
    write_private(tmp_path / "a", "new")
    assert mode(tmp_path / "a") == 0o600


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_secret_is_made_once_and_kept(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "folder" / "secret"
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)
    secret = keep_secret(path)
    assert len(secret) == 43, "256 bits in base64url"
    assert keep_secret(path) == secret
    assert keep_secret(tmp_path / "other") != secret
    assert mode(path) == 0o600


def test_a_new_secret_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    before = new_secret(tmp_path / "secret")
    after = new_secret(tmp_path / "secret")
    assert before != after == keep_secret(tmp_path / "secret")
    assert mode(tmp_path / "secret") == 0o600


def test_a_folder_of_an_earlier_version_is_closed_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    (folder / "kafka" / "data").mkdir(parents=True)
    (folder / "kafka" / "run").write_text("")
    (folder / "kafka" / "run").chmod(0o755)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "elsewhere").chmod(0o644)
    close_folder(folder)
    assert mode(folder) == mode(folder / "kafka") == mode(folder / "kafka" / "data") == 0o700
    assert mode(folder / "kafka" / "run") == 0o700, "its user may still run it"
    assert mode(tmp_path / "elsewhere") == 0o644


def test_what_is_made_inside_is_private_and_what_comes_later_is_not(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with only_for_us():
            (tmp_path / "inside").write_text("")
        (tmp_path / "later").write_text("")
    finally:
        os.umask(before)
    assert mode(tmp_path / "inside") == 0o600
    assert mode(tmp_path / "later") == 0o644

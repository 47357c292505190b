"""Files and folders that only their user can read, and secrets in them."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
OTHERS = 0o077
"""The permissions of everybody else."""


def write_private(path: Path, text: str) -> None:
    """Write a file that only its user can read. It is never there in part, and never readable by others."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(handle, "w", encoding="utf8") as file:
        file.write(text)
    part.replace(path)


def keep_secret(path: Path) -> str:
    """The secret of a file. The first call makes one of 256 bits. Only the user of the process can read the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        kept = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        kept = ""
    return kept or new_secret(path)


def new_secret(path: Path) -> str:
    """A new secret of 256 bits, in a file that only the user of the process can read."""
    secret = secrets.token_urlsafe(32)
    write_private(path, f"{secret}\n")
    return secret


@contextmanager
def only_for_us() -> Iterator[None]:
    """What is made inside is readable by this user only."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def close_folder(folder: Path) -> None:
    """Take all permissions of other users from a folder, and from what is in it if the folder was open."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if not stat.S_IMODE(folder.stat().st_mode) & OTHERS:
        return
    folder.chmod(PRIVATE_FOLDER)
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # somebody removes it meanwhile
            mode = stat.S_IMODE(path.lstat().st_mode)
            if mode & OTHERS and not path.is_symlink():
                path.chmod(mode & ~OTHERS)

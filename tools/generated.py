"""Writes a generated file, or says that the committed one is not up to date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_or_check(path: Path, name: str, text: str, arguments: Sequence[str]) -> int:
    """Write `text`. With `--check` among the arguments, only compare. Returns the exit code: 1 if the file is stale.

    `name` is what a person calls the file.
    """
    if "--check" not in arguments:
        path.write_text(text, encoding="utf8")
        return 0
    is_stale = not path.is_file() or path.read_text(encoding="utf8") != text
    if is_stale:
        print(f"{name} is not up to date; run make schemas")
    return int(is_stale)

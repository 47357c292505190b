"""The committed example messages, as bytes by file name."""

from __future__ import annotations

from pathlib import Path

import schemas

EXAMPLES = Path(schemas.__file__).with_name("examples")
GROUPED_EXAMPLES = {path.name: path.read_bytes() for path in (EXAMPLES / "articles.grouped" / "valid").iterdir()}

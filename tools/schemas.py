"""Writes the JSON Schema of every record on a topic, and of the feeds file.

`--check` fails when a committed schema is not up to date.

python -m tools.schemas [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import BaseModel

import schemas
from schemas.article import ArticleDraft
from schemas.feed import FeedsFile
from schemas.topics import TOPICS

FOLDER = Path(schemas.__file__).with_name("json")


def render() -> dict[Path, str]:
    """Every schema file with its text."""
    records: dict[str, type[BaseModel]] = {topic.record.__name__: topic.record for topic in TOPICS}
    records |= {record.__name__: record for record in (ArticleDraft, FeedsFile)}
    return {
        FOLDER / f"{name}.json": json.dumps(record.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
        for name, record in records.items()
    }


def main(arguments: list[str]) -> int:
    """Write or check the schemas. Returns the exit code."""
    wanted = render()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf8") != text]
    stale += [path for path in FOLDER.glob("*.json") if path not in wanted]
    if "--check" in arguments:
        if stale:
            print(f"stale: {', '.join(path.name for path in stale)}; run make schemas")
        return bool(stale)
    FOLDER.mkdir(exist_ok=True)
    for path in stale:
        path.unlink(missing_ok=True)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

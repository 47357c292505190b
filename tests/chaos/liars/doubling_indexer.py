"""An indexer that writes every seventh article again, under another id. A self-test of the oracle runs it.

python doubling_indexer.py FILE     (the file gets the ids of what was doubled, and is there once it works)
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from services.indexer import app
from services.indexer.bulk import Action, ItemAnswer
from services.indexer.writer import BulkWriter

DOUBLES_EVERY = 7


class DoublingWriter(BulkWriter):
    """Writes what it gets, and every seventh new article a second time."""

    file: Path
    seen: set[str]

    def write(self, actions: Sequence[Action]) -> list[ItemAnswer]:
        """Write the actions, then the copies of some of them. Returns the answers on the actions."""
        answers = BulkWriter.write(self, actions)
        for action in actions:
            if action.index.startswith("articles") and action.id not in self.seen:
                self.seen.add(action.id)
                if len(self.seen) % DOUBLES_EVERY == 0:
                    BulkWriter.write(self, [copy_of(action)])
                    with self.file.open("a", encoding="ascii") as file:
                        file.write(action.id + "\n")
        return answers


def copy_of(action: Action) -> Action:
    """The same document under another id."""
    other = str(uuid.uuid5(uuid.NAMESPACE_URL, action.id))
    document = orjson.loads(action.document or b"{}") | {"article_id": other}
    return replace(action, id=other, document=orjson.dumps(document))


def main(file: Path) -> None:
    """Run the indexer with the doubling writer."""
    DoublingWriter.file, DoublingWriter.seen = file, set()
    file.touch()
    app.BulkWriter = DoublingWriter  # type: ignore[attr-defined]  # the indexer takes its writer from here
    app.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A dedup that loses its state before every third article. A self-test of the oracle runs it.

python forgetful_dedup.py FILE     (the file gets a line for each loss, and is there once it works)
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.common.dead_letters import Received
from services.common.stream import Handled
from services.dedup import app
from services.dedup.app import DedupService
from services.dedup.grouping import Grouper

FORGETS_EVERY = 3


class ForgetfulDedup(DedupService):
    """Decides with an empty state again and again."""

    file: Path
    taken: int

    def handle(self, received: Received) -> Handled:
        """Decide on one article, sometimes without any memory of the ones before it."""
        ForgetfulDedup.taken += 1
        if self.taken % FORGETS_EVERY == 0:
            self._rebuild_if_reassigned()
            self.grouper = Grouper(self.window, self.settings.grouping_version)
            with self.file.open("a", encoding="ascii") as file:
                file.write(f"{received.offset}\n")
        return DedupService.handle(self, received)


def main(file: Path) -> None:
    """Run dedup with the forgetful service."""
    ForgetfulDedup.file, ForgetfulDedup.taken = file, 0
    file.touch()
    app.DedupService = ForgetfulDedup  # type: ignore[misc]  # main takes its service from here
    app.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

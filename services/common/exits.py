"""Exit codes of services and commands, after sysexits.h; and the error that ends a process with one of them."""

from __future__ import annotations

from typing import Final

EXIT_UNAVAILABLE: Final = 69
"""EX_UNAVAILABLE: a port is taken."""
EXIT_BUG: Final = 70
"""EX_SOFTWARE: a programming error; nothing was acknowledged."""
EXIT_MACHINE: Final = 71
"""EX_OSERR: the machine has no memory, disk or file for the work. Nothing was acknowledged."""
EXIT_UNDELIVERED: Final = 74
"""EX_IOERR: Kafka did not confirm; nothing after it was acknowledged."""
EXIT_TEMPORARY: Final = 75
"""EX_TEMPFAIL: start it again. A stalled service, or another process has the store."""
EXIT_CONFIGURATION: Final = 78
"""EX_CONFIG: a package or a setting is missing. Nothing was acknowledged."""


class UnusableProcessError(Exception):
    """This process cannot do its work, whatever the article: it has to end. The message is for a person."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code

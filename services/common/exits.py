"""Exit codes of services and commands, from sysexits.h, and the error that ends a process with one of them."""

from __future__ import annotations

from typing import Final

EXIT_UNAVAILABLE: Final = 69
"""EX_UNAVAILABLE: another process uses the port."""
EXIT_BUG: Final = 70
"""EX_SOFTWARE: a programming error. Nothing was acknowledged."""
EXIT_MACHINE: Final = 71
"""EX_OSERR: the machine lacks memory, disk space or a file. Nothing was acknowledged."""
EXIT_UNDELIVERED: Final = 74
"""EX_IOERR: Kafka did not confirm a message. Nothing after that message was acknowledged."""
EXIT_TEMPORARY: Final = 75
"""EX_TEMPFAIL: start it again. The service stalled, or another process uses the store."""
EXIT_CONFIGURATION: Final = 78
"""EX_CONFIG: a package or a setting is missing. Nothing was acknowledged."""


class UnusableProcessError(Exception):
    """This process cannot do its work, whichever article it gets, so it has to end. The message is for a person."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code

"""supervisord that goes on while its logs cannot be written, for example on a full disk.

`python -m services.embedded.supervisord ARGUMENTS` takes the arguments of supervisord. supervisord itself tells an
error of a log on standard error, which is a file on the same disk, and ends at the error of that.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from supervisor import loggers, supervisord


def forget_error(_: object) -> None:
    """A line of a log is lost. The process that wrote it, and all others, go on."""


def roll_over(handler: Any) -> None:
    """Begin a new file when the log is full. Where that fails, the old one goes on."""
    with suppress(OSError, ValueError):
        _roll_over(handler)
    if handler.stream.closed:
        with suppress(OSError):
            handler.stream = open(handler.baseFilename, "ab")  # noqa: PTH123, SIM115 - as supervisor itself does


_roll_over = loggers.RotatingFileHandler.doRollover


def main() -> None:
    """Run supervisord until it is stopped."""
    loggers.Handler.handleError = forget_error
    loggers.RotatingFileHandler.doRollover = roll_over
    supervisord.main()


if __name__ == "__main__":
    main()

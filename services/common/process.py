"""Runs the main function of a service: an error that a person can fix ends it with a sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from pydantic import ValidationError

from services.common.exits import EXIT_CONFIGURATION, UnusableProcessError
from services.common.logging import get_logger
from services.common.messages import describe

log = get_logger(__name__)


def run_process(main: Callable[[], int | None]) -> NoReturn:
    """Run a service to its end. The exit code is its own, that of the error, or 0."""
    try:
        code = main()
    except UnusableProcessError as error:
        log.error("the service cannot run", reason=str(error))  # noqa: TRY400 - a traceback would not help
        sys.exit(error.exit_code)
    except ValidationError as error:
        reason = f"{describe(error)} (docs/configuration.md has all settings)"
        log.error("a setting is wrong", reason=reason)  # noqa: TRY400 - the same
        sys.exit(EXIT_CONFIGURATION)
    sys.exit(code or 0)

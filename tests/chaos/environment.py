"""The environment of this program and of the ones that it starts: settings and clocks."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; sys.argv[0] = 'dragoman'; from services.cli import main; main()"
"""Runs the command line of the code in PYTHONPATH, which may be an older commit."""
KEPT_VARIABLES = ("DRAGOMAN_CACHE", "DRAGOMAN_JAVA_HOME")


def forget_settings() -> None:
    """Remove the settings of the caller from the environment, so that every stack here is a default one."""
    for name in list(os.environ):
        if name.startswith("DRAGOMAN_") and name not in KEPT_VARIABLES:
            del os.environ[name]


def with_clock(seconds: int, code: str) -> str:
    """Python code that runs with `time.time` wrong by some seconds. Kafka's clients stamp messages with it.

    libfaketime would shift every clock, but with it `time.sleep` of Python 3.11 and later fails (EINVAL).
    """
    shifted = f"import time; true = time.time; time.time = lambda: true() + {seconds}; "
    return shifted + code if seconds else code

"""Ends processes that a test has started."""

from __future__ import annotations

import subprocess

STOP_SECONDS = 30.0


def end(process: subprocess.Popen[bytes], seconds: float = STOP_SECONDS) -> None:
    """SIGTERM, and SIGKILL when it has not ended after so many seconds."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""The only error of this package. Its message is a sentence for a person."""

from __future__ import annotations


class StackError(Exception):
    """A problem that a person must fix. The message says what to fix and how."""

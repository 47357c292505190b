"""The one error of this package: a sentence for a person."""

from __future__ import annotations


class StackError(Exception):
    """Something a person has to mend; the message says what and how."""

"""The encoder's tokenizer in C++, where it gives the tokens that the encoder's own tokenizer in Python gives.

The encoder brings a port of SentencePiece in pure Python, which takes 2 ms an article. The port and the original differ
in texts with unknown characters, two in a row, and in empty ones. There the port decides, so that every vector is the
one that the encoder makes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

UNKNOWN = 0
"""The token of what is not in the vocabulary."""
ENDS = 2
"""The tokens of a text without words: its begin and its end."""


class Tokenizer:
    """Stands for the tokenizer of the encoder. `make_port` makes the one in Python, which is rarely needed."""

    def __init__(self, fast: Any, make_port: Callable[[], Any]) -> None:
        self._fast = fast
        self._make_port = make_port

    @cached_property
    def _port(self) -> Any:
        return self._make_port()

    def encode(self, text: str, **options: Any) -> list[int]:
        """The tokens of a text. The encoder's options ask for numbers, with begin and end."""
        tokens: list[int] = self._fast.encode(text, **options)
        if UNKNOWN in tokens or len(tokens) <= ENDS:
            tokens = self._port.encode(text, **options)
        return tokens

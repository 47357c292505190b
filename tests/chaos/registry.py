"""The decorator that makes a function a class of faults, and the table of all classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.rounds import Round

FAULTS: dict[str, Fault] = {}
"""All classes, by name."""


class Traffic(StrEnum):
    """How the articles of a round come in."""

    REPLAY = "replay"
    PUSH = "push"
    OWN = "own"
    """The function sends its articles itself."""


class Place(StrEnum):
    """The stack that a class runs on."""

    SHARED = "shared"
    """The stack of the rounds before it, if they left it whole."""
    FRESH = "fresh"
    """A stack of its own, which is not used again."""
    OWN = "own"
    """The function starts a stack itself."""


class SkippedError(Exception):
    """This machine cannot do what the class needs. The message is the reason."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One class of faults. `act` breaks something and mends it again, while the articles come in.

    After `patience` seconds, what has not arrived needs a person. A class that is `by_name` is left out unless it is
    asked for. A class that is `short` belongs to `make chaos-short`.
    """

    name: str
    says: str
    act: Callable[[Round], None]
    messages: int
    rate: float
    traffic: Traffic
    place: Place
    patience: float
    by_name: bool
    short: bool


def fault(
    *,
    messages: int = 60,
    rate: float = 8.0,
    traffic: Traffic = Traffic.REPLAY,
    place: Place = Place.SHARED,
    patience: float = 240,
    by_name: bool = False,
    short: bool = False,
    name: str | None = None,
) -> Callable[[Callable[[Round], None]], Callable[[Round], None]]:
    """Register a function as a class of faults, with `messages` articles at `rate` a second."""

    def register(act: Callable[[Round], None]) -> Callable[[Round], None]:
        called = name or act.__name__
        says = (act.__doc__ or "").partition("\n")[0]
        if called in FAULTS or not says:
            raise ValueError(f"{called} is registered twice, or has no docstring")
        FAULTS[called] = Fault(called, says, act, messages, rate, traffic, place, patience, by_name, short)
        return act

    return register

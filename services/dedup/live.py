"""The live articles: a small record of each in memory, and its profile in a temporary file.

A profile has some kilobytes, and an article is compared with sixty others at most, so profiles are read when they are
needed. Those that were used last stay in memory, because an article is mostly compared with others of these days. The
file is derived from the store and has no name, so it goes with the process.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.common.exits import EXIT_MACHINE, UnusableProcessError
from services.dedup.profiles import LiveArticle, Profile

PART_SLOTS = 2**16
"""Slots whose profiles are in one file. A file is closed when none of its articles is live any more."""
RECENT_BYTES = 256 * 1024 * 1024
"""Of packed profiles that stay in memory: those of about 70,000 articles."""


class Part:
    """The live articles of some slots, and the file of their profiles."""

    def __init__(self, folder: Path | None) -> None:
        self.articles: list[LiveArticle | None] = [None] * PART_SLOTS
        self.live = 0
        self._offsets: npt.NDArray[np.int64] = np.zeros(PART_SLOTS, dtype=np.int64)
        self._lengths: npt.NDArray[np.uint32] = np.zeros(PART_SLOTS, dtype=np.uint32)
        self._end = 0
        with tempfile.TemporaryFile(buffering=0, dir=folder) as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def write(self, place: int, packed: bytes) -> None:
        """Add a profile to the file."""
        written = os.pwrite(self._descriptor, packed, self._end)
        if written != len(packed):
            reason = f"{written} of {len(packed)} bytes were written"
            raise OSError(reason)
        self._offsets[place], self._lengths[place] = self._end, len(packed)
        self._end += len(packed)

    def read(self, place: int) -> bytes:
        """The profile that was written."""
        length = int(self._lengths[place])
        packed = os.pread(self._descriptor, length, int(self._offsets[place]))
        if len(packed) != length:
            reason = f"{len(packed)} of {length} bytes were read"
            raise OSError(reason)
        return packed


@dataclass(slots=True, eq=False)
class LiveArticles(Mapping[str, LiveArticle]):
    """The live articles by id, in order of arrival. `folder` is for the temporary files.

    A method that reads or writes a file raises UnusableProcessError when the disk is full or broken.
    """

    folder: Path | None = None
    _known: dict[str, LiveArticle] = field(default_factory=dict)
    _parts: dict[int, Part] = field(default_factory=dict)
    _recent: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    _recent_bytes: int = 0

    def __getitem__(self, article_id: str) -> LiveArticle:
        """The live article with this id."""
        return self._known[article_id]

    def __iter__(self) -> Iterator[str]:
        """The ids, in order of arrival."""
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def values(self) -> ValuesView[LiveArticle]:
        """The live articles, in order of arrival."""
        return self._known.values()

    def close_unused(self) -> None:
        """Close the files in which no profile is of a live article: those of digests that had no row any more."""
        self._parts = {number: part for number, part in self._parts.items() if part.live}

    def __contains__(self, article_id: object) -> bool:
        return article_id in self._known

    def at(self, slot: int) -> LiveArticle:
        """The live article with this slot. Raises KeyError if there is none."""
        number, place = divmod(slot, PART_SLOTS)
        article = self._parts[number].articles[place]
        if article is None:
            raise KeyError(slot)
        return article

    def first_slot(self) -> int:
        """No live article has a lower slot."""
        return min(self._parts, default=0) * PART_SLOTS

    def store(self, slot: int, packed: bytes) -> None:
        """Keep a packed profile, for an article that will be added."""
        number, place = divmod(slot, PART_SLOTS)
        try:
            if number not in self._parts:
                self._parts[number] = Part(self.folder)
            self._parts[number].write(place, packed)
        except OSError as error:
            raise self._failure("kept", error) from error
        self._remember(slot, packed)

    def add(self, article: LiveArticle) -> None:
        """Add an article whose profile is stored."""
        self._known[article.article_id] = article
        number, place = divmod(article.slot, PART_SLOTS)
        part = self._parts[number]
        part.articles[place] = article
        part.live += 1

    def remove(self, article: LiveArticle) -> None:
        """Remove an article."""
        del self._known[article.article_id]
        self._recent_bytes -= len(self._recent.pop(article.slot, b""))
        number, place = divmod(article.slot, PART_SLOTS)
        part = self._parts[number]
        part.articles[place] = None
        part.live -= 1
        if not part.live:
            del self._parts[number]

    def profile(self, article: LiveArticle) -> Profile:
        """The profile of an article."""
        packed = self._recent.get(article.slot)
        if packed is None:
            packed = self._read(article.slot)
            self._remember(article.slot, packed)
        else:
            self._recent.move_to_end(article.slot)
        return Profile.unpack(article, packed)

    def _read(self, slot: int) -> bytes:
        number, place = divmod(slot, PART_SLOTS)
        try:
            return self._parts[number].read(place)
        except OSError as error:
            raise self._failure("read", error) from error

    def _failure(self, done: str, error: OSError) -> UnusableProcessError:
        folder = self.folder or tempfile.gettempdir()
        return UnusableProcessError(EXIT_MACHINE, f"A profile cannot be {done} in {folder}: {error}.")

    def _remember(self, slot: int, packed: bytes) -> None:
        """Keep a packed profile in memory, and let those go that were not used for longest."""
        self._recent_bytes += len(packed) - len(self._recent.pop(slot, b""))
        self._recent[slot] = packed
        while self._recent_bytes > RECENT_BYTES:
            _, oldest = self._recent.popitem(last=False)
            self._recent_bytes -= len(oldest)

    def profiles(self, articles: Iterable[LiveArticle]) -> list[Profile]:
        """The profiles of some articles."""
        return [self.profile(article) for article in articles]

"""An inverted index of hashed keys in sorted segments, as in Lucene. It stays small and keeps the order of slots.

New articles go to a tail of plain lists. A full tail becomes a sorted segment, and a full tier of segments is merged. A
posting takes eight bytes. The result of a search depends on the live postings only, not on their segments.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
TAIL_ARTICLES = 512
FAN_IN = 8
LARGEST_SEGMENT = TAIL_ARTICLES * FAN_IN * FAN_IN
"""Articles. With larger segments there would be fewer to search, but one merge would pause dedup for seconds."""


class CountTable:
    """Counts of hashed keys. Only the last bits of a hash are used, so keys with equal last bits share a count."""

    def __init__(self, bits: int) -> None:
        self._counts: Counts = np.zeros(2**bits, dtype=np.int32)
        self._mask = np.uint32(2**bits - 1)

    def change(self, keys: Keys, by: int) -> None:
        """Add distinct keys to the counts (1) or remove them (-1)."""
        self._counts[keys & self._mask] += by

    def of(self, keys: Keys) -> Counts:
        """The count of each key, (n,)."""
        found: Counts = self._counts[keys & self._mask]
        return found


@dataclass(frozen=True, slots=True)
class Segment:
    """Postings sorted by key, then by slot. `articles` is the number of articles when the segment was made."""

    keys: Keys
    slots: npt.NDArray[np.uint32]
    articles: int

    def ranges(self, wanted: Keys) -> tuple[Slots, Slots]:
        """Where the postings of each wanted key begin and end in the segment."""
        return np.searchsorted(self.keys, wanted), np.searchsorted(self.keys, wanted, side="right")


@dataclass(slots=True)
class PostingIndex:
    """Finds the live slots that have a key. Slot numbers only grow, and a removed slot is never used again."""

    _segments: list[Segment] = field(default_factory=list)
    _tail: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _tail_parts: list[tuple[int, Keys]] = field(default_factory=list)
    _indexed: int = 0
    _sizes: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(1024, dtype=np.uint32))
    _removed: int = 0

    def add(self, slot: int, keys: Keys) -> None:
        """Add the distinct keys of a slot. Slots must come in growing order."""
        if slot >= len(self._sizes):
            self._sizes = np.concatenate([self._sizes, np.zeros(max(len(self._sizes), slot), dtype=np.uint32)])
        self._sizes[slot] = len(keys)
        self._tail_parts.append((slot, keys))
        if len(self._tail_parts) >= TAIL_ARTICLES:
            self._seal()

    def remove(self, slot: int) -> None:
        """Remove a slot. Searches skip it immediately, and the next merge deletes its postings."""
        self._sizes[slot] = 0
        self._removed += 1
        if self._removed >= TAIL_ARTICLES:
            self._removed = 0
            self._segments = [segment for segment in self._segments if self._sizes[segment.slots].any()]

    def sizes(self, slots: Slots) -> npt.NDArray[np.uint32]:
        """The number of keys of each slot; 0 for a slot that is not live."""
        found: npt.NDArray[np.uint32] = self._sizes[slots]
        return found

    def find(self, keys: Keys) -> tuple[Slots, Slots]:
        """The slot of each posting of these keys, and the place of its key in `keys`. Only rare keys are fast."""
        self._index_tail()
        found = [self._find_in(segment, keys) for segment in self._segments]
        tail = [(slot, place) for place, key in enumerate(keys.tolist()) for slot in self._tail.get(key, ())]
        slots = np.concatenate([*(slots for slots, _ in found), np.array([slot for slot, _ in tail], dtype=np.int64)])
        places = np.concatenate([*(places for _, places in found), np.array([place for _, place in tail], np.int64)])
        is_live = self._sizes[slots] > 0
        return slots[is_live], places[is_live]

    def _index_tail(self) -> None:
        """Note the postings of the tail by key. A rebuild adds many articles between two searches, and seals them."""
        for slot, keys in self._tail_parts[self._indexed :]:
            for key in keys.tolist():
                self._tail[key].append(slot)
        self._indexed = len(self._tail_parts)

    @staticmethod
    def _find_in(segment: Segment, keys: Keys) -> tuple[Slots, Slots]:
        starts, ends = segment.ranges(keys)
        counts = ends - starts
        places = np.repeat(np.arange(len(keys)), counts)
        offsets = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        return segment.slots[np.repeat(starts, counts) + offsets].astype(np.int64), places

    def _seal(self) -> None:
        keys = np.concatenate([part for _, part in self._tail_parts])
        slots = np.repeat(
            np.array([slot for slot, _ in self._tail_parts], dtype=np.uint32),
            [len(part) for _, part in self._tail_parts],
        )
        self._segments.append(self._sorted(keys, slots, len(self._tail_parts)))
        self._tail.clear()
        self._tail_parts.clear()
        self._indexed = 0
        size = TAIL_ARTICLES
        while size < LARGEST_SEGMENT:
            tier = [segment for segment in self._segments if segment.articles == size]
            if len(tier) < FAN_IN:
                break
            joined = [np.concatenate([getattr(segment, name) for segment in tier]) for name in ("keys", "slots")]
            rest = [segment for segment in self._segments if segment.articles != size]
            size *= FAN_IN
            self._segments = [*rest, self._sorted(joined[0], joined[1], size)]

    def _sorted(self, keys: Keys, slots: npt.NDArray[np.uint32], articles: int) -> Segment:
        is_live = self._sizes[slots] > 0
        keys, slots = keys[is_live], slots[is_live]
        order = np.argsort(keys, kind="stable")
        return Segment(keys[order], slots[order], articles)

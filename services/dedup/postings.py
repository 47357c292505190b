"""An inverted index of hashed keys in sorted segments, as in Lucene. It stays small and keeps the order of slots.

New articles go to a tail of plain lists. A full tail becomes a sorted segment, and a full tier of segments is merged. A
posting takes two bytes, and each distinct key of a segment eight. The result of a search depends on the live postings
only, not on their segments.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]
NO_KEYS: Keys = np.zeros(0, dtype=np.uint32)
NOTHING: Slots = np.zeros(0, dtype=np.int64)
LAST_KEY = np.uint32(2**32 - 1)
TAIL_ARTICLES = 512
FAN_IN = 8
LARGEST_SEGMENT = 2**16
"""Articles: as many as two bytes can number. With larger segments one merge would pause dedup for many seconds."""


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


class SlotArray:
    """A number for each live slot. Slots grow for ever, so what lies before the first live slot is let go."""

    def __init__(self) -> None:
        self._values: npt.NDArray[np.int32] = np.zeros(1024, dtype=np.int32)
        self._first = 0

    def set(self, slot: int, value: int, first_live: int) -> None:
        """Set the number of a slot. No slot before `first_live` is live."""
        if slot >= self._first + len(self._values):
            kept = self._values[max(0, first_live - self._first) :]
            self._first = max(self._first, first_live)
            size = max(2 * len(kept), slot + 1 - self._first)
            self._values = np.concatenate([kept, np.zeros(size - len(kept), dtype=np.int32)])
        self._values[slot - self._first] = value

    def of(self, slots: Slots) -> npt.NDArray[np.int32]:
        """The numbers of live slots, (n,)."""
        found: npt.NDArray[np.int32] = self._values[slots - self._first]
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """Postings: the slot of each, the place of its key among the wanted keys, and how many keys the slot has."""

    slots: Slots
    places: Slots
    sizes: Slots


@dataclass(frozen=True, slots=True)
class Segment:
    """The postings of some articles, which `slots` names. `sizes` is the number of keys of each, 0 if it was removed.

    `keys` are distinct and sorted. The postings of key `i` are `articles[starts[i] : starts[i + 1]]`: places in
    `slots`, ascending. The last key is `LAST_KEY` once more, without postings, so that a search never ends behind it.
    """

    keys: Keys
    starts: npt.NDArray[np.uint32]
    articles: npt.NDArray[np.uint16]
    slots: Slots
    sizes: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, keys: Keys, articles: npt.NDArray[np.uint16], slots: Slots, sizes: npt.NDArray[np.uint32]) -> Segment:
        """A segment of the postings (key, article), in any order of keys. Of one key the articles ascend."""
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        is_first = np.ones(len(keys), dtype=bool)
        is_first[1:] = keys[1:] != keys[:-1]
        starts = np.append(np.flatnonzero(is_first), [len(keys)] * 2).astype(np.uint32)
        return cls(np.append(keys[is_first], LAST_KEY), starts, articles[order], slots, sizes)

    @classmethod
    def merged(cls, segments: Sequence[Segment]) -> Segment:
        """The live postings of some segments as one. The segments are in order of their slots."""
        keys, articles, slots, sizes, first = [], [], [], [], 0
        for segment in segments:
            lives = segment.sizes > 0
            slots.append(segment.slots[lives])
            sizes.append(segment.sizes[lives])
            is_live = lives[segment.articles]
            number = (np.cumsum(lives) - 1 + first).astype(np.uint16)
            keys.append(np.repeat(segment.keys, np.diff(segment.starts))[is_live])
            articles.append(number[segment.articles[is_live]])
            first += int(lives.sum())
        return cls.of(np.concatenate(keys), np.concatenate(articles), np.concatenate(slots), np.concatenate(sizes))


@dataclass(slots=True)
class PostingIndex:
    """Finds the live slots that have a key. Slot numbers only grow, and a removed slot is never used again.

    A million live articles are about twenty segments, and a search has a few keys. So it does as much as it can for all
    segments at once: `_slots` and `_sizes` are those of all segments, joined, and each segment has a view of its part.
    """

    _segments: list[Segment] = field(default_factory=list)
    _slots: Slots = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _sizes: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    _tail: dict[int, int | list[int]] = field(default_factory=dict)
    """The slots with each key; a slot alone is no list, because most keys are in one article of the tail only."""
    _tail_keys: dict[int, Keys] = field(default_factory=dict)
    _indexed: int = 0

    def add(self, slot: int, keys: Keys) -> None:
        """Add the keys of a slot. Slots must come in growing order. A key that is there twice is found twice."""
        self._tail_keys[slot] = keys
        if len(self._tail_keys) >= TAIL_ARTICLES:
            self._seal()

    def remove(self, slot: int) -> None:
        """Remove a slot. Searches skip it immediately.

        The next merge of its segment deletes its postings; a segment that is too large for merges goes as a whole, when
        none of its articles is live.
        """
        if slot in self._tail_keys:
            self._tail_keys[slot] = NO_KEYS
            return
        place = bisect_right(self._segments, slot, key=lambda segment: int(segment.slots[0])) - 1
        if place < 0:
            return
        segment = self._segments[place]
        segment.sizes[segment.slots == slot] = 0  # no element, if the slot had no keys
        if not segment.sizes.any():
            self._replace([*self._segments[:place], *self._segments[place + 1 :]])

    def find(self, keys: Keys) -> Found:
        """The live postings of these keys. Only rare keys are fast."""
        self._index_tail()
        tail: list[tuple[int, int, int]] = []
        for place, key in enumerate(keys.tolist()):
            known = self._tail.get(key, ())
            holders = (known,) if isinstance(known, int) else tuple(known)
            tail += [(slot, place, len(self._tail_keys[slot])) for slot in holders]
        late = Found(*np.array(tail, dtype=np.int64).reshape(-1, 3).T)
        articles, places = self._find_sealed(keys)
        slots, places = np.append(self._slots[articles], late.slots), np.append(places, late.places)
        sizes: Slots = np.append(self._sizes[articles], late.sizes)
        is_live = sizes > 0
        return Found(slots[is_live], places[is_live], sizes[is_live])

    def _find_sealed(self, keys: Keys) -> tuple[Slots, Slots]:
        """The postings of the segments: places in `_slots`, and places in `keys`."""
        segments = self._segments
        if not segments or not len(keys):
            return NOTHING, NOTHING
        at = [segment.keys.searchsorted(keys) for segment in segments]
        found = np.concatenate([segment.keys.take(place) for segment, place in zip(segments, at, strict=True)])
        begin = np.concatenate([segment.starts.take(place) for segment, place in zip(segments, at, strict=True)])
        end = np.concatenate([segment.starts[1:].take(place) for segment, place in zip(segments, at, strict=True)])
        counts = (end.astype(np.int64) - begin) * (found == np.tile(keys, len(segments)))
        before = counts.cumsum() - counts
        within = np.repeat(begin - before, counts) + np.arange(counts.sum())
        parts = counts.reshape(len(segments), -1).sum(axis=1)
        ends, firsts = parts.cumsum().tolist(), np.cumsum([0, *(len(segment.slots) for segment in segments[:-1])])
        articles = [
            segment.articles.take(within[start:end])
            for segment, start, end in zip(segments, [0, *ends], ends, strict=False)
        ]
        places = np.repeat(np.tile(np.arange(len(keys)), len(segments)), counts)
        return np.concatenate(articles) + np.repeat(firsts, parts), places

    def _index_tail(self) -> None:
        """Note the postings of the tail by key. A rebuild adds many articles between two searches, and seals them."""
        for slot, keys in islice(self._tail_keys.items(), self._indexed, None):
            for key in keys.tolist():
                known = self._tail.get(key)
                if known is None:
                    self._tail[key] = slot
                elif isinstance(known, int):
                    self._tail[key] = [known, slot]
                else:
                    known.append(slot)
        self._indexed = len(self._tail_keys)

    def _seal(self) -> None:
        """Make a segment of the tail, and merge the segments of a full tier."""
        lives = {slot: keys for slot, keys in self._tail_keys.items() if len(keys)}
        self._tail.clear()
        self._tail_keys.clear()
        self._indexed = 0
        if lives:
            sizes = np.array([len(keys) for keys in lives.values()], dtype=np.uint32)
            articles = np.repeat(np.arange(len(lives), dtype=np.uint16), sizes)
            slots = np.array(list(lives), dtype=np.int64)
            made = Segment.of(np.concatenate(list(lives.values())), articles, slots, sizes)
            self._replace(merged_tiers([*self._segments, made]))

    def _replace(self, segments: Sequence[Segment]) -> None:
        """Take these segments, and join what is looked up for all of them at once."""
        self._slots = np.concatenate([NOTHING, *(segment.slots for segment in segments)])
        self._sizes = np.concatenate([np.zeros(0, np.uint32), *(segment.sizes for segment in segments)])
        self._segments, first = [], 0
        for segment in segments:
            last = first + len(segment.slots)
            self._segments.append(replace(segment, slots=self._slots[first:last], sizes=self._sizes[first:last]))
            first = last


def merged_tiers(segments: list[Segment]) -> list[Segment]:
    """The segments, of which the last ones are merged as long as there are enough of about the same size."""
    size = TAIL_ARTICLES
    while size < LARGEST_SEGMENT:
        fan_in = min(FAN_IN, LARGEST_SEGMENT // size)
        tier = segments[-fan_in:]
        if fan_in < 2 or len(tier) < fan_in or any(len(segment.slots) > size for segment in tier):
            break
        segments = [*segments[:-fan_in], Segment.merged(tier)]
        size *= fan_in
    return segments

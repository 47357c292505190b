"""Where the items of a replay came from, so that single ones can be read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from pydantic import BaseModel

from schemas.feed import Columns
from services.producer.replay.timeline import by_time
from services.producer.settings import ProducerSettings
from services.producer.sources import SourceOptions, open_place
from services.producer.sources.base import Entry, Problem, Source


class ReplayOrigin(BaseModel):
    """The files of a replay and the options that decide on the order of its items."""

    paths: tuple[str, ...]
    source_id: str | None = None
    columns: Columns = Columns()
    loops: int = 1
    by_time: bool = False
    kafka_bootstrap: str

    def name(self) -> str:
        """A name for the replay. It changes when a file changes, because positions in the old file are not valid then.

        OSError when a file cannot be read.
        """
        signatures = [_signature(Path(path)) for path in self.paths]
        options = [self.source_id, self.columns.model_dump(), self.loops, self.by_time, self.kafka_bootstrap]
        return hashlib.sha256(json.dumps([signatures, options], default=str, sort_keys=True).encode()).hexdigest()

    def open(self, settings: ProducerSettings) -> list[Source]:
        """The sources. SourceError when a path cannot be read at all."""
        options = SourceOptions(
            self.source_id,
            settings.max_article_bytes,
            self.columns,
            max_document_bytes=settings.max_document_bytes,
            kafka=settings,
        )
        return [open_place(path, options) for path in self.paths]


def items_of(sources: Iterable[Source], loops: int) -> Iterator[Entry | Problem]:
    """Every item of a replay in the order of the files."""
    known = list(sources)
    return (item for _ in range(loops) for source in known for item in source.entries())


@contextmanager
def ordered_items(origin: ReplayOrigin, settings: ProducerSettings) -> Iterator[Iterator[Entry | Problem]]:
    """Every item of a replay in the order in which it was sent."""
    items = items_of(origin.open(settings), origin.loops)
    if not origin.by_time:
        yield items
        return
    with by_time(items, settings.home) as timeline:
        yield (timed.item for timed in timeline)


def items_at(
    origin: ReplayOrigin, settings: ProducerSettings, positions: Mapping[int, object]
) -> Iterator[tuple[int, Entry | Problem]]:
    """The items at these positions, counted from 1. Reading ends behind the last one."""
    last = max(positions, default=0)
    with ordered_items(origin, settings) as items:
        for position, item in zip(count(1), items, strict=False):
            if position in positions:
                yield position, item
            if position >= last:
                return


def _signature(path: Path) -> list[object]:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    stats = [(str(file), file.stat()) for file in files]
    return [str(path.absolute()), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]]

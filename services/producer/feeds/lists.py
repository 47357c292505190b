"""The feeds of an OPML list."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import ValidationError

from schemas.feed import Feed, FeedsFile
from services.common.logging import get_logger
from services.common.messages import describe
from services.producer.feeds.file import free_id
from services.producer.feeds.state import FeedState
from services.producer.identity import host_name

log = get_logger(__name__)


def with_children(file: FeedsFile, states: Mapping[str, FeedState]) -> list[Feed]:
    """The feeds of the file. The feeds of an OPML list follow the list."""
    return [listed for feed in file.feeds for listed in (feed, *children_of(feed, states.get(feed.id)))]


def children_of(feed: Feed, state: FeedState | None) -> list[Feed]:
    """The feeds of an OPML list, with the settings of the list. Their ids are made from their addresses."""
    found: dict[str, Feed] = {}
    for child in state.children if state is not None else ():
        slug = f"{free_id(host_name(child.url), ())}-{hashlib.sha256(child.url.encode()).hexdigest()[:8]}"
        try:
            listed = Feed(
                id=f"{feed.id}/{slug}"[:200],
                url=child.url,
                source=child.title,
                language=child.language or feed.language,
                interval=feed.interval if feed.interval == "auto" else f"{feed.interval}s",
                full_text=feed.full_text,
                tags=(*feed.tags, *child.tags),
                respect_robots=feed.respect_robots,
                paused=feed.paused,
            )
        except ValidationError as error:
            log.warning("a feed of a list is left out", list=feed.id, reason=describe(error))
            continue
        found[listed.id] = listed
    return list(found.values())

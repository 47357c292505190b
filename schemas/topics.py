"""All topics on one screen: record, key, partitions and retention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.article import ArticleDraft, EnrichedArticle, GroupedArticle, RawArticle
from schemas.base import Record
from schemas.dead_letter import DeadLetter
from schemas.story import Story, StoryEdit

DAY_MS: Final = 24 * 60 * 60 * 1000
BROKER_TIME: Final = {"message.timestamp.type": "LogAppendTime"}
"""The clock of a producer may be wrong: retention would remove a record unread, or Kafka would refuse it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic. `partitions` of None means `DRAGOMAN_PARTITIONS`.

    A `versioned` topic holds grouping decisions. Each grouping version from 2 on has its own topic.
    """

    name: str
    record: type[Record]
    key: str
    partitions: int | None
    retention_days: int | None
    compacted: bool = False
    versioned: bool = False

    def config(self, max_message_bytes: int, days: int | None = None) -> dict[str, str]:
        """The settings of the topic in Kafka. `days` are in place of those that it is kept usually."""
        kept = days or self.retention_days
        retention = -1 if kept is None else kept * DAY_MS
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(retention),
            "max.message.bytes": str(max_message_bytes),
            **BROKER_TIME,
        }


RAW = Topic("articles.raw", RawArticle, key="article_id", partitions=None, retention_days=7)
ENRICHED = Topic("articles.enriched", EnrichedArticle, key="article_id", partitions=1, retention_days=7)
GROUPED = Topic("articles.grouped", GroupedArticle, "article_id", None, None, compacted=True, versioned=True)
STORIES = Topic("stories", Story, "story_id", None, retention_days=None, compacted=True, versioned=True)
EDITS = Topic("stories.edits", StoryEdit, "edit_id", partitions=1, retention_days=None, compacted=True)
DEAD = Topic("articles.dead", DeadLetter, "letter_id", partitions=1, retention_days=None, compacted=True)

TOPICS: tuple[Topic, ...] = (RAW, ENRICHED, GROUPED, STORIES, EDITS, DEAD)


def intermediate(stage: str) -> Topic:
    """The output topic of a stage that runs as its own process: `articles.<stage>`."""
    return Topic(f"articles.{stage}", ArticleDraft, key="article_id", partitions=None, retention_days=7)

"""Edits of people as constraints: pairs of articles that belong together or apart, also for articles still to come."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.story import EditAction, StoryEdit

Pairs = dict[str, dict[str, str]]


@dataclass(slots=True)
class Constraints:
    """The partners of each article, with the edit in words. If two edits contradict each other, the later one wins."""

    together: Pairs = field(default_factory=lambda: defaultdict(dict))
    apart: Pairs = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, edits: Iterable[StoryEdit]) -> Constraints:
        """The constraints of all edits, applied in the order in which they were made."""
        constraints = cls()
        for edit in sorted(edits, key=lambda edit: (edit.made_at, edit.edit_id)):
            constraints.add(edit)
        return constraints

    def add(self, edit: StoryEdit) -> None:
        """Add an edit."""
        if edit.action is EditAction.MERGE:
            pairs = [(edit.articles[0], other) for other in edit.articles[1:]]
        else:
            pairs = [(article, edit.other) for article in edit.articles if edit.other]
        into, out_of = (self.apart, self.together) if edit.action is EditAction.SPLIT else (self.together, self.apart)
        for one, other in pairs:
            for left, right in ((one, other), (other, one)):
                into[left][right] = describe_edit(edit)
                out_of.get(left, {}).pop(right, None)


def describe_edit(edit: StoryEdit) -> str:
    """An edit in words, for example `merge by ann: same fire (edit 1f2e…)`."""
    reason = f": {edit.reason}" if edit.reason else ""
    return f"{edit.action.value} by {edit.made_by}{reason} (edit {edit.edit_id})"


def split_story_id(story_id: str, edit_id: str) -> str:
    """The id of the story that an edit splits off: the same in every replay, and never the id of the old story."""
    return str(uuid.uuid5(uuid.UUID(story_id), edit_id))

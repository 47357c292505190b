"""The work of a stage grows with the length of the text, not with its square.

The work is the number of lines of Python that run. It is the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from benchmarks.speed.hostile import TEXTS
from schemas.article import ArticleDraft
from services.worker.stages import run_stage, stage_slice, to_draft

Make = Callable[..., Any]
STAGES = {stage.name: stage for stage in stage_slice((), vectors=False)}
BEFORE = {"normalizer": ("extraction", "language"), "entities": ("extraction", "language", "normalizer")}
SMALL, LARGE = 1500, 6000
MAX_GROWTH = 6.0
"""Four times the text is 4 times the work when the work is linear, and up to 16 times when it is not."""


ENOUGH = 2000
"""Less work than this says nothing about growth."""


def lines_of(work: Callable[[], object]) -> int:
    """The number of lines of Python that run in our own modules."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "services" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("stage", BEFORE)
def test_the_work_grows_with_the_text(raw_article: Make, stage: str, text: str) -> None:
    def prepared(characters: int) -> ArticleDraft:
        draft: ArticleDraft = to_draft(raw_article(TEXTS[text](characters)))
        for name in BEFORE[stage]:
            draft = run_stage(draft, STAGES[name])
        return draft

    small, large = prepared(SMALL), prepared(LARGE)
    run_stage(large, STAGES[stage])  # fills the caches for both
    work = lines_of(lambda: run_stage(small, STAGES[stage]))
    assert lines_of(lambda: run_stage(large, STAGES[stage])) < MAX_GROWTH * max(work, ENOUGH)

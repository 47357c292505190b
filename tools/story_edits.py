"""Pairs that people decided, for training: what `dragoman stories export` writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.quality.stories.corpora import Labelled, read
from benchmarks.quality.stories.pairs import UNTRAINED, PairSet, pair_set, profile_of
from schemas.article import RawArticle
from services.dedup.articles import part_of
from services.dedup.pairs import Frequencies, compare
from services.worker.stages import Stage, enrich


def read_edit_pairs(path: Path, stages: Sequence[Stage], background: Iterable[Labelled]) -> PairSet:
    """One pair a line: `{"same": true, "one": RawArticle, "other": RawArticle}`.

    How rare a name is, is counted in the background.
    """
    frequencies = Frequencies()
    for number, labelled in enumerate(background):
        frequencies.change(profile_of(labelled.article, number), 1)
    found, labels = [], []
    for line in read(path):
        first, second = (
            profile_of(part_of(enrich(RawArticle.model_validate_json(json.dumps(line[name])), tuple(stages))), number)
            for number, name in enumerate(("one", "other"))
        )
        found.append(compare(first, [second], frequencies, UNTRAINED))
        labels.append(float(line["same"]))
    return pair_set(found, labels)

"""Weights of the pair score: written as they are read, with a manifest of what they are made from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.stories.corpora import FILES
from schemas.article import RawArticle
from services.dedup.pairs import WEIGHTS, load_weights
from services.worker.stages import stage_slice
from tools import story_weights
from tools.story_edits import read_edit_pairs


def test_written_weights_are_read_as_the_same(tmp_path: Path) -> None:
    story_weights.write(load_weights(), tmp_path / "weights.json")
    assert json.loads((tmp_path / "weights.json").read_text()) == json.loads(WEIGHTS.read_text())


def test_the_manifest_names_every_input_by_its_hash(tmp_path: Path) -> None:
    for path in FILES.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode() if isinstance(path, str) else b"x")
    edits = tmp_path / "edits.jsonl"
    edits.write_text("")
    made = story_weights.manifest(tmp_path, edits, {"wikinews": 3})
    assert {"edits.jsonl", *(Path(path).name for path in FILES.values())} == made["files"].keys()
    assert all(len(digest) == 64 for digest in made["files"].values())
    assert made["articles"] == {"wikinews": 3}
    committed = json.loads(story_weights.MANIFEST.read_text())
    assert committed["settings"] == json.loads(json.dumps(made["settings"]))
    assert committed["stages"].keys() == made["stages"].keys()


def test_without_its_sources_training_says_which_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["story_weights", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        story_weights.main()
    assert ended.value.code == 2
    assert "lacks" in capsys.readouterr().err


def test_what_people_decided_are_labelled_pairs(raw_article: Callable[..., RawArticle], tmp_path: Path) -> None:
    texts = ("A fire destroyed a warehouse in Utrecht on Monday.", "The fire in Utrecht began in a warehouse.")
    one, other = (raw_article(text, guid=text).model_dump(mode="json") for text in texts)
    file = tmp_path / "edits.jsonl"
    lines = [{"same": True, "one": one, "other": other}, {"same": False, "one": other, "other": one}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pairs = read_edit_pairs(file, stage_slice((), vectors=False), [])
    assert pairs.labels.tolist() == [1.0, 0.0]
    assert pairs.features.shape[0] == 2
    assert np.isfinite(pairs.features).all()

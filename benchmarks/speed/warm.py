"""Measures articles per second of CPU time for each stage (one core, warm, on Wikinews), and their total memory."""

from __future__ import annotations

import time

from benchmarks.quality.corpora import WIKINEWS, read_lines
from benchmarks.quality.scores import Figures
from benchmarks.quality.scoring import to_raw
from benchmarks.speed.measures import peak_mib
from services.entities.gazetteer import load_gazetteer
from services.worker.stages import stage_slice, to_draft

WARM_UP = 20


def measure_speed() -> Figures:
    """`speed.STAGE`: articles of about 1,900 characters per second. `memory.mib`: at the end, without vectors."""
    before = time.process_time()
    load_gazetteer()
    figures: Figures = {"speed.gazetteer_load_seconds": time.process_time() - before}
    rows = ({"id": row["id"], "content": f"{row['title']}\n{row['text']}"} for row in read_lines(WIKINEWS))
    drafts = [to_draft(to_raw(row)) for row in rows]
    for stage in stage_slice((), vectors=True):
        if stage.name == "embedding":
            continue
        for draft in drafts[:WARM_UP]:
            stage.run(draft)
        before = time.process_time()
        drafts = [stage.run(draft) for draft in drafts]
        figures[f"speed.{stage.name}"] = len(drafts) / (time.process_time() - before)
    return figures | {"memory.mib": peak_mib()}

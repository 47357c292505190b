"""Keeps items that are too large or cannot be decoded: bytes in a folder, and a dead letter with the path."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

from schemas.dead_letter import DeadLetter, ErrorClass
from schemas.topics import RAW
from services import __version__
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Problem, ProblemKind

LETTER_CLASSES = (ErrorClass.TOO_LARGE, ErrorClass.INVALID_MESSAGE)
"""The error classes of the letters that the producer makes."""


def is_kept(problem: Problem) -> bool:
    """Whether the bytes of a problem must be kept. They are in no topic, and a person may repair them."""
    return problem.kind in (ProblemKind.TOO_LARGE, ProblemKind.UNDECODABLE)


def keep(problem: Problem, folder: Path) -> str:
    """Keep the bytes of a problem under a name made from its source and guid.

    Returns the path, or a text that says why the bytes could not be kept.
    """
    if problem.kept_at is not None:
        return problem.kept_at
    target = folder / safe_name(problem)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if problem.path is not None:
            shutil.copyfile(problem.path, target)
        else:
            target.write_bytes(problem.data or b"")
    except OSError as error:
        return f"not kept: {error.strerror}"
    return str(target)


def quarantine_letter(problem: Problem, settings: ProducerSettings) -> DeadLetter:
    """The dead letter of a problem whose bytes are in quarantine. It contains their path."""
    failed_at = datetime.now(UTC)
    kept = keep(problem, settings.quarantine_folder)
    return DeadLetter(
        letter_id=f"quarantine/{safe_name(problem)}",
        source_topic=settings.topic(RAW),
        source_partition=0,
        source_offset=0,
        original_key=None,
        original_value=None,
        quarantine_path=kept,
        service="producer",
        stage="source",
        error_class=ErrorClass.TOO_LARGE if problem.kind is ProblemKind.TOO_LARGE else ErrorClass.INVALID_MESSAGE,
        error=f"{problem.guid} {problem.reason}"[:2000],
        code_version=__version__,
        first_failed_at=failed_at,
        last_failed_at=failed_at,
    )


def safe_name(problem: Problem) -> str:
    """A unique file name for a problem: a readable part, followed by a hash of source and guid."""
    whole = f"{problem.source_id}__{problem.guid}"
    readable = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in whole)[:100]
    digest = hashlib.sha256(f"{len(problem.source_id)} {whole}".encode("utf8", "surrogatepass")).hexdigest()[:16]
    return f"{readable}.{digest}"

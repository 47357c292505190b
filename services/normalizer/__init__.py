"""Stage: clean text, title, stated date, agency; what is dropped is kept beside the text with its reason."""

from services.normalizer.dates import is_plausible
from services.normalizer.normalize import VERSION, normalize

__all__ = ["VERSION", "is_plausible", "normalize"]

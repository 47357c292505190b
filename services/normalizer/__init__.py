"""Stage: clean text, title, stated date and agency. Dropped lines are kept beside the text with their reason."""

from services.normalizer.dates import is_plausible
from services.normalizer.normalize import VERSION, normalize

__all__ = ["VERSION", "is_plausible", "normalize"]

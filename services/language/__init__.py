"""Stage: which language the text is in."""

from services.language.identify import VERSION, identify, language_of

__all__ = ["VERSION", "identify", "language_of"]

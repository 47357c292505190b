"""Stage: the language of the text."""

from services.language.identify import VERSION, identify, language_of

__all__ = ["VERSION", "identify", "language_of"]

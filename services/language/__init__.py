"""Stage: which language the text is in."""

from services.language.identify import VERSION, identify

__all__ = ["VERSION", "identify"]

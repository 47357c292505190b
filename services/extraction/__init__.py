"""Stage: content to readable text."""

from services.extraction.extract import VERSION, extract

__all__ = ["VERSION", "extract"]

"""Stage: makes readable text from content."""

from services.extraction.extract import VERSION, extract

__all__ = ["VERSION", "extract"]

"""HTTP client for feeds and pages. It checks addresses, limits time and size, and respects robots.txt."""

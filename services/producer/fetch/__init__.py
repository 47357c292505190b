"""HTTP for feeds and pages: guarded, bounded, polite."""

"""Trains the pair score of stories and measures duplicates and stories on labelled texts."""

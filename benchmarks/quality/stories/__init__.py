"""Labelled duplicates and stories, and their measures."""

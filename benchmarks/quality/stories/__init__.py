"""Labelled duplicates and stories, and what measures them."""

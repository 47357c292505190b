"""Searches the index."""

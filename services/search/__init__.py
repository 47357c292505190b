"""Searching what was indexed."""

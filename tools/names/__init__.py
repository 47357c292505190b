"""Trains the finder of names that are in no list."""

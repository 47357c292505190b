"""Trains the finder of names that no list holds."""

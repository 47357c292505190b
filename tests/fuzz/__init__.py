"""Hostile input for everything that reads bytes of strangers. `make fuzz` runs it."""

"""Dragoman's services; each is a folder, and none imports another but the worker and the CLI."""

__version__ = "0.1.0"

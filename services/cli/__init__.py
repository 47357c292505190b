"""`dragoman …`: thin commands over the services' functions. Heavy imports wait until a command needs them."""

from services.cli.main import app, main

__all__ = ["app", "main"]

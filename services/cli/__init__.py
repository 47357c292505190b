"""The `dragoman` commands. They call functions of the services. Heavy imports wait until a command needs them."""

from services.cli.main import app, main

__all__ = ["app", "main"]

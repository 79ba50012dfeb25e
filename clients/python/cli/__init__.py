"""The command line: one file a command, put together in app.py."""

from convscope.client.cli.app import main

__all__ = ["main"]

"""The command line: `flask seed`, `flask import-events`, `flask billing run`, `flask verify`, `flask create-user`, `flask api-key`."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Enter the commands."""

"""The auth edge."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Enter the routes of this edge."""

"""The customers' pages: what they owe and own, what they used, and how to pay. Each module of this package
puts its own on the blueprint.
"""

import sys

from flask import Flask

from app.portal import branding, language
from app.portal.guard import blueprint
from app.registry import load_package


def init_app(app: Flask) -> None:
    """Enter the pages of the portal, and what anybody may ask for: the language, the seller's logo."""
    load_package(sys.modules[__name__])
    app.register_blueprint(blueprint)
    app.register_blueprint(language.blueprint)
    app.register_blueprint(branding.blueprint)

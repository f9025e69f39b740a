"""Who is here: signing in and out, and the session between the two.

`session.sign_in(user)` and `session.sign_out()` are the one seam: whatever proves who somebody is ends there.
"""

from flask import Flask

from app.auth import session, views


def init_app(app: Flask) -> None:
    """Enter the session's rules and the pages of signing in."""
    session.init_app(app)
    app.register_blueprint(views.blueprint)

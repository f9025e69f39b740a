"""The composition root: which parts the application is made of, in the order in which they are put
together.
"""

from typing import Any

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

import admin_views
import app.models  # noqa: F401  (maps every table before the first query)
from app import api, auth, cli, logs, portal, watching, web
from app.config import Settings
from app.db import db, psycopg_url


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application from `settings`, by default those of the environment.

    Raises:
        BadSettings: with every problem found in the environment.
    """
    settings = settings or Settings.from_env()
    logs.configure(settings.log_level)
    application = web.Application("app", root_path=str(web.PACKAGE), template_folder=str(web.TEMPLATES))
    application.config.update(flask_config(settings))
    application.extensions["settings"] = settings
    if settings.proxy_hops:
        hops = settings.proxy_hops
        application.wsgi_app = ProxyFix(application.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    db.init_app(application)
    Migrate(application, db, directory=str(web.ROOT / "migrations"))
    web.init_app(application)
    watching.init_app(application)
    auth.init_app(application)
    api.init_app(application)
    portal.init_app(application)
    admin_views.init_app(application)
    cli.init_app(application)
    return application


def flask_config(settings: Settings) -> dict[str, Any]:
    """Return Flask's own configuration for these settings."""
    options = (
        f"-c statement_timeout={settings.statement_timeout_ms} -c lock_timeout=5000 "
        "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
    )
    return {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": psycopg_url(settings.database_url),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_size": settings.database_pool_size,
            "max_overflow": 4,
            "pool_timeout": settings.database_pool_timeout_seconds,
            "pool_pre_ping": True,
            # The connection used last has its statements prepared and its caches warm.
            "pool_use_lifo": True,
            "connect_args": {"options": options, "application_name": "otpless-billing"},
        },
        "MAX_CONTENT_LENGTH": 16 * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 1024 * 1024,
        "SESSION_COOKIE_NAME": "otpless_billing",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.public_url.startswith("https://"),
        "WTF_CSRF_TIME_LIMIT": None,
        "TRUSTED_HOSTS": list(settings.trusted_hosts) or None,
        "TESTING": settings.environment == "test",
    }

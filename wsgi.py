"""The WSGI entry point: `granian --interface wsgi wsgi:app`, `flask --app wsgi …`."""

import sys

from app.config import BadSettings
from app.factory import create_app

try:
    app = create_app()
except BadSettings as problem:
    sys.exit(str(problem))

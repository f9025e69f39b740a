"""The WSGI entry point: `python -m app.serving wsgi:app`, `flask --app wsgi …`."""

import gc
import sys

from app.config import BadSettings
from app.factory import create_app

try:
    app = create_app()
except BadSettings as problem:
    sys.exit(str(problem))

# What has been loaded stays: the collector need not walk it, a tenth of a second each time, as others wait.
gc.collect()
gc.freeze()

"""Find the services of a running `make run` from outside."""

import json
from pathlib import Path

from app.embedded.house import SERVICES
from app.embedded.processes import is_running


def find_services(data: Path) -> dict[str, str] | None:
    """Return what the running supervisor of `data` announced, None where none runs.

    The keys in capitals are settings (`DATABASE_URL`, `REDIS_URL`, `SECRET_KEY`, `PUBLIC_URL` …), the others
    describe the run: `pid`, `sockets`.
    """
    try:
        found = json.loads((data / SERVICES).read_text("utf-8"))
        pid = int(found["pid"])
    except (OSError, ValueError, KeyError):
        return None
    return {key: str(value) for key, value in found.items()} if is_running(pid) else None

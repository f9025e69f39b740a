"""`python -m app.serving --port 8000 wsgi:app`: the web server. The options have Granian's names."""

import argparse
import sys

from granian.constants import HTTPModes, Interfaces
from granian.errors import FatalError
from granian.server import Server

from app.serving.worker import run_worker


def main() -> int:
    """Serve until a signal says stop; the exit status is 1 when that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m app.serving", description="Serve a WSGI application.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--blocking-threads", type=int, default=32, help="of each process")
    parser.add_argument("--backlog", type=int, default=1024, help="connections that wait to be accepted")
    parser.add_argument("--backpressure", type=int, default=64, help="connections of each process")
    parser.add_argument("--respawn-failed-workers", action="store_true")
    parser.add_argument("--workers-kill-timeout", type=int, default=5, help="seconds until a kill")
    parser.add_argument("application", help="module:name")
    options = vars(parser.parse_args())
    server = Server(
        options.pop("application"),
        address=options.pop("host"),
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        **options,
    )
    try:
        server.serve(spawn_target=run_worker)
    except FatalError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run the sandbox gateway: `SECRET_KEY=… python -m app.gateways.sandbox_server --port 8100`."""

import argparse
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from threading import Thread
from types import FrameType

from werkzeug.serving import BaseWSGIServer, make_server

from app.gateways.sandbox_server.server import create_sandbox

HOST = "127.0.0.1"
USAGE_ERROR = 2


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit code."""
    options = _parser().parse_args(arguments)
    secret_key = os.environ.get("SECRET_KEY", "")
    if not secret_key:
        print("SECRET_KEY is not set: the sandbox derives its keys from the app's.", file=sys.stderr)
        return USAGE_ERROR
    try:
        listener = socket.create_server((options.host, options.port))
    except OSError as error:
        print(f"Cannot listen on {options.host}:{options.port}: {error.strerror}.", file=sys.stderr)
        return USAGE_ERROR
    port = listener.getsockname()[1]
    app = create_sandbox(
        secret_key=secret_key,
        data_dir=options.data,
        public_url=options.public_url or f"http://{HOST}:{port}",
        webhook_url=options.webhook_url,
    )
    app.extensions["sandbox"].controls.delay_seconds = options.delay_seconds
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server(options.host, port, app, threaded=True, fd=listener.fileno())
    listener.close()
    _stop_on_signals(server)
    app.extensions["postman"].start()
    print(f"Sandbox gateway on http://{options.host}:{port}", flush=True)
    server.serve_forever()
    app.extensions["postman"].stop()
    app.extensions["postman"].join()
    return 0


def _stop_on_signals(server: BaseWSGIServer) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # shutdown() waits for the serving loop, which this very signal has interrupted.
        Thread(target=server.shutdown, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _parser() -> argparse.ArgumentParser:
    env = os.environ
    parser = argparse.ArgumentParser(prog="python -m app.gateways.sandbox_server", description=__doc__)
    parser.add_argument("--host", default=env.get("SANDBOX_HOST", HOST))
    parser.add_argument("--port", type=int, default=int(env.get("SANDBOX_PORT", "8100")))
    parser.add_argument(
        "--public-url", default=env.get("SANDBOX_PUBLIC_URL", ""), help="where a browser finds it"
    )
    parser.add_argument(
        "--webhook-url",
        default=env.get("PUBLIC_URL", "http://127.0.0.1:8000"),
        help="the app that hears of payments",
    )
    parser.add_argument(
        "--data", type=Path, default=Path(env.get("DATA_DIR", "var")) / "sandbox", help="its directory"
    )
    parser.add_argument("--delay-seconds", type=float, default=5.0, help="how long the Delay button takes")
    return parser


if __name__ == "__main__":
    sys.exit(main())

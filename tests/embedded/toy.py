"""A small product for the supervisor to run: `python -m tests.embedded.toy PART` is one of its programs.

Its web server answers `/readyz` and shows at `/` what it was started with; the other parts only live.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

from app.embedded.children import Program
from app.embedded.supervisor import main

PROGRAM = Program(
    migrate=("{python}", "-m", "tests.embedded.toy", "migrate"),
    seed=("{python}", "-m", "tests.embedded.toy", "seed"),
    children={
        "web": ("{python}", "-m", "tests.embedded.toy", "web", "{host}", "{port}"),
        "worker": ("{python}", "-m", "tests.embedded.toy", "worker"),
    },
)


class Handler(BaseHTTPRequestHandler):
    """Answers with the seeds that the database holds and the process id."""

    def do_GET(self) -> None:
        """Answer 200 while the database answers, else 503."""
        try:
            with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=2) as connection:
                seeds = [row[0] for row in connection.execute("SELECT at FROM seeds")]
            status = 200
        except psycopg.Error:
            seeds, status = [], 503
        body = json.dumps({"pid": os.getpid(), "seeds": seeds, "uid": os.getuid()}).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def run(part: str, arguments: list[str]) -> None:
    """Be one part of the product."""
    url = os.environ["DATABASE_URL"]
    if part == "migrate":
        with psycopg.connect(os.environ["OWNER_DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS seeds (at text)")
            connection.execute("GRANT SELECT, INSERT ON seeds TO PUBLIC")
    elif part == "seed":
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO seeds VALUES (now()::text)")
    elif part == "web":
        host, port = arguments
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
    elif part == "worker":
        if os.fork() == 0:  # a horse that leaves its parent's process group, as RQ's does
            os.setpgid(0, 0)
            Path(os.environ["DATA_DIR"], "horse.pid").write_text(str(os.getpid()))
        signal.pause()


if __name__ == "__main__":
    if sys.argv[1] == "house":
        sys.exit(main(sys.argv[2:], PROGRAM))
    run(sys.argv[1], sys.argv[2:])

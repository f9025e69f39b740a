"""The command line of `python -m app.embedded`."""

import argparse
import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.embedded.accounts import CannotStart

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104
LAST_PORT = 65_535
USUAL_PORT = 8000


@dataclass(frozen=True, slots=True)
class Options:
    """Where to run."""

    host: str
    port: int
    sandbox_port: int
    data: Path

    @property
    def public_url(self) -> str:
        """The address that a browser on this machine opens."""
        host = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"http://{host}:{self.port}"

    @property
    def local_host(self) -> str:
        """The host under which this machine reaches the web server."""
        return "127.0.0.1" if self.host in EVERYWHERE else self.host


def parse(arguments: list[str] | None) -> Options:
    """Read the command line.

    Raises:
        CannotStart: nothing can listen at this host and port; the message says what to choose instead.
    """
    parser = argparse.ArgumentParser(
        prog="python -m app.embedded", description="Run the whole product on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument(
        "--port", type=int, default=USUAL_PORT, help="port of the web server (default %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("var"), help="directory of all data (default %(default)s)"
    )
    given = parser.parse_args(arguments)
    if not 1 <= given.port <= LAST_PORT:
        raise CannotStart(
            f"{given.port} is no port: choose one up to {LAST_PORT}, such as PORT={USUAL_PORT}."
        )
    if error := _why_not_free(given.host, given.port):
        raise CannotStart(_explain(error, given.host, given.port))
    return Options(given.host, given.port, _free_port_after(given.port), given.data.absolute())


def lets_choose_a_name(host: str, environ: Mapping[str, str]) -> bool:
    """Tell whether people sign in by choosing a name: only while nobody but this machine can come in, and no
    identity provider and no production is set up.

    Raises:
        CannotStart: it is asked for on an address that others reach.
    """
    asked = environ.get("DEVELOPMENT_SIGN_IN", "").strip().lower() in {"1", "true", "yes", "on"}
    if asked and host not in LOOPBACK:
        raise CannotStart(
            f"DEVELOPMENT_SIGN_IN lets everybody in and works on this machine alone: --host {host} would open"
            " it to others. Take it out of the environment and of .env, or listen on 127.0.0.1."
        )
    public = urlsplit(environ.get("PUBLIC_URL", "")).hostname
    has_provider = bool(environ.get("AUTH0_DOMAIN") or environ.get("OIDC_ISSUER"))
    is_local = host in LOOPBACK and (public is None or public in LOOPBACK)
    return is_local and not has_provider and environ.get("ENVIRONMENT") != "production"


def _free_port_after(port: int) -> int:
    """Return a free port of the loopback address, a near one where there is one."""
    for candidate in range(port + 1, min(port + 20, LAST_PORT + 1)):
        if _why_not_free("127.0.0.1", candidate) is None:
            return candidate
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _why_not_free(host: str, port: int) -> OSError | None:
    """Return why nothing can listen there, None where it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _explain(error: OSError, host: str, port: int) -> str:
    """Return one line that says why nothing can listen there, and what to choose instead."""
    if error.errno == errno.EADDRINUSE:
        another = port + 1 if port < LAST_PORT else USUAL_PORT
        return (
            f"Port {port} is in use: stop the program that listens there, "
            f"or choose another with PORT={another}."
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"Port {port} is kept for root: choose one from 1024 on, such as PORT={USUAL_PORT}."
    return (
        f"{host} is no address of this machine ({error.strerror}): "
        "choose HOST=127.0.0.1, or HOST=0.0.0.0 for all of them."
    )

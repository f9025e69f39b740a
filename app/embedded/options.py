"""The command line of `python -m app.embedded`."""

import argparse
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.embedded.accounts import CannotStart

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104


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
        return f"http://{self.local_host}:{self.port}"

    @property
    def local_host(self) -> str:
        """The host under which this machine reaches the web server."""
        return "127.0.0.1" if self.host in EVERYWHERE else self.host


def parse(arguments: list[str] | None) -> Options:
    """Read the command line.

    Raises:
        CannotStart: a port is in use.
    """
    parser = argparse.ArgumentParser(
        prog="python -m app.embedded", description="Run the whole product on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port of the web server (default %(default)s)")
    parser.add_argument(
        "--data", type=Path, default=Path("var"), help="directory of all data (default %(default)s)"
    )
    given = parser.parse_args(arguments)
    if not _is_free(given.host, given.port):
        raise CannotStart(
            f"Port {given.port} is in use: stop the program that listens there, "
            f"or choose another with PORT={given.port + 1}."
        )
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
    for candidate in range(port + 1, port + 20):
        if _is_free("127.0.0.1", candidate):
            return candidate
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True

"""The provider as a process, and going there and back as a browser does."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.auth import provider as product
from app.config import Settings
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, Controls
from tests.support.machine import ROOT

START_SECONDS = 30
ROLES = "https://otpless.com/roles"
CUSTOMER = "https://otpless.com/customer"


@dataclass
class ProviderProcess:
    """A running provider."""

    issuer: str

    def control(self, **controls: Any) -> int:
        """Change how it behaves; return how many people are signed in there."""
        answer = requests.post(f"{self.issuer}control", json=controls, timeout=10)
        answer.raise_for_status()
        sessions: int = answer.json()["sessions"]
        return sessions

    def behave(self, callback: str) -> None:
        """Be honest again, know nobody, and lead back to `callback`."""
        self.control(**{**asdict(Controls()), "redirect_uris": [callback]})

    def settings(self, settings: Settings) -> Settings:
        """Return settings with this provider in them."""
        return replace(
            settings,
            development_sign_in=False,
            oidc_issuer=self.issuer,
            auth0_client_id=CLIENT_ID,
            auth0_client_secret=CLIENT_SECRET,
        )


@contextmanager
def running_provider() -> Iterator[ProviderProcess]:
    """Start the provider on a free port and stop it afterwards."""
    command = [sys.executable, "-m", "tests.support.identity_provider"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], START_SECONDS)[0], "the provider did not start"
        yield ProviderProcess(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


@dataclass
class Traveller:
    """Somebody with a browser: our cookies in `client`, the provider's in `there`."""

    client: FlaskClient
    there: requests.Session
    provider: ProviderProcess

    def begin(self, path: str = "/sign-in/start", next_page: str = "") -> str:
        """Go to the provider's page; return its address."""
        answer = self.client.get(path, query_string={"next": next_page} if next_page else {})
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return str(answer.location)

    def prove(self, address: str, email: str) -> str:
        """Sign in there, unless the provider remembers; return the address that leads back."""
        answer = self.there.get(address, allow_redirects=False, timeout=10)
        if answer.status_code == requests.codes.ok:
            answer = self.there.post(address, data={"email": email}, allow_redirects=False, timeout=10)
        assert answer.status_code == requests.codes.found, answer.text
        return answer.headers["Location"]

    def come_back(self, address: str) -> TestResponse:
        """Follow the provider's redirect."""
        parts = urlsplit(address)
        return self.client.get(f"{parts.path}?{parts.query}")

    def sign_in(self, email: str, next_page: str = "", path: str = "/sign-in/start") -> TestResponse:
        """Go there and back."""
        return self.come_back(self.prove(self.begin(path, next_page), email))

    @property
    def is_signed_in(self) -> bool:
        """Whether the product knows who this is."""
        return self.client.get("/").location != "/sign-in"


def forget_provider() -> None:
    """Let the product forget what it remembers of providers."""
    product._provider.cache_clear()


@contextmanager
def signing_in_by(app: Flask, provider: ProviderProcess) -> Iterator[Settings]:
    """Run the application with the provider."""
    before: Settings = app.extensions["settings"]
    provider.behave(f"{before.public_url.rstrip('/')}/sign-in/callback")
    forget_provider()
    app.extensions["settings"] = provider.settings(before)
    try:
        yield app.extensions["settings"]
    finally:
        app.extensions["settings"] = before
        forget_provider()

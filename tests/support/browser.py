"""A real browser on a real web server."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.own import OwnDatabase

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
# Without these, a browser on a closed network asks for its maker's hosts, many at a time.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Two browsers and all that they visit share two cores: what comes is waited for longer than a person would.
PATIENCE_MS = 30_000


@dataclass(frozen=True, slots=True)
class LiveServer:
    """The product's web server on a database of its own."""

    url: str
    database: OwnDatabase


@pytest.fixture
def live_server(own_database: OwnDatabase) -> LiveServer:
    """A running web server; fill `live_server.database.app()` before or after."""
    return LiveServer(own_database.start_web(), own_database)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Where it is missing the test is skipped, and in CI it fails."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is missing: `make test` as root installs it, or apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a fresh browser profile; an uncaught script error or a blocked resource fails the test."""
    context = browser.new_context(locale="en-IN", timezone_id="Asia/Kolkata")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if "Content Security" in message.text else None
    )
    yield page
    context.close()
    assert errors == []

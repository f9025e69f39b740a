"""The identity provider of these tests."""

from collections.abc import Iterator

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.models import Customer
from tests import factories
from tests.auth.providing import ProviderProcess, Traveller, running_provider, signing_in_by


@pytest.fixture(scope="session")
def provider_process() -> Iterator[ProviderProcess]:
    """One provider for all tests of this worker."""
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(app: Flask, session: Session, provider_process: ProviderProcess) -> Iterator[ProviderProcess]:
    """The provider, honest, with nobody in it; the product signs people in by it."""
    with signing_in_by(app, provider_process):
        yield provider_process


@pytest.fixture
def traveller(client: FlaskClient, provider: ProviderProcess) -> Iterator[Traveller]:
    """Somebody whose browser is new to both sides."""
    with requests.Session() as there:
        yield Traveller(client, there, provider)


@pytest.fixture
def customer(session: Session) -> Customer:
    """Somebody's company."""
    return factories.make_customer(name="Lotus Retail", external_id="cust-lotus")

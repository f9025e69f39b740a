"""The paths of specification 3.3.2: the same views, the same guards, each with its way to name a version."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.api.openapi import document
from tests import factories
from tests.api.conftest import Caller, NewCaller

PATHS = {
    "/api/customers": "/api/v1/customers",
    "/api/admin/dead-letters": "/api/v1/admin/dead-letters",
    "/api/admin/billing-runs": "/api/v1/admin/billing-runs",
    "/api/billing/invoices": "/api/v1/invoices",
    "/api/billing/payments": "/api/v1/payments",
    "/api/billing/billing-runs": "/api/v1/admin/billing-runs",
}


def get(caller: Caller, path: str, **headers: str) -> Any:
    return caller.client.get(path, headers={**caller.headers, **headers})


def test_each_path_answers_what_its_resource_answers(caller: Caller) -> None:
    factories.make_customer()
    for alias, path in PATHS.items():
        first, second = get(caller, alias), get(caller, path)

        assert (first.status_code, first.json["data"]) == (200, second.json["data"]), alias


def test_a_customer_made_on_the_short_path_is_found_on_the_long_one(caller: Caller) -> None:
    body = {"name": "Asha Textiles", "email": "asha@example.com", "external_id": "asha"}

    made = caller.client.post("/api/customers", json=body, headers=caller.headers)

    assert made.status_code == 201
    found = get(caller, "/api/v1/customers/asha")
    assert found.json["data"] == get(caller, "/api/customers/asha").json["data"] == made.json["data"]


def test_a_stranger_comes_in_nowhere_and_a_scope_opens_no_more(
    client: FlaskClient, new_caller: NewCaller
) -> None:
    reader = new_caller("usage:read")
    for alias in PATHS:
        assert client.get(alias).status_code == 401, alias
        assert get(reader, alias).status_code == 403, alias


@pytest.mark.parametrize("version", ["1", "v1"])
def test_the_version_of_billing_is_a_header(caller: Caller, version: str) -> None:
    response = get(caller, "/api/billing/invoices", **{"X-API-Version": version})

    assert (response.status_code, response.headers["X-API-Version"]) == (200, "1")


@pytest.mark.parametrize("version", ["2", "", "latest", "1, 2"])
def test_another_version_of_billing_is_refused_by_name(caller: Caller, version: str) -> None:
    response = get(caller, "/api/billing/invoices", **{"X-API-Version": version})

    assert (response.status_code, response.json["error"]["code"]) == (400, "invalid")
    assert response.json["error"]["fields"] == [
        {
            "pointer": "/version",
            "code": "unsupported_version",
            "message": f"There is no version {version!r} of this API. Supported: 1.",
        }
    ]


@pytest.mark.parametrize("query", ["", "&version=1", "&version=v1"])
def test_the_version_of_usage_is_a_parameter(caller: Caller, query: str) -> None:
    account, metric = factories.make_account(), factories.make_metric()
    asked = f"account_id={account.id}&metric={metric.code}&from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z"

    alias, path = get(caller, f"/api/usage?{asked}{query}"), get(caller, f"/api/v1/usage?{asked}")

    assert (alias.status_code, alias.json["data"]) == (200, path.json["data"])


@pytest.mark.parametrize("query", ["version=2", "version=", "version=1&version=2"])
def test_another_version_of_usage_is_refused(caller: Caller, query: str) -> None:
    response = get(caller, f"/api/usage?{query}")

    assert (response.status_code, response.json["error"]["fields"][0]["code"]) == (400, "unsupported_version")


def test_the_long_path_of_usage_takes_no_version(caller: Caller) -> None:
    response = get(caller, "/api/v1/usage?version=1")

    assert response.status_code == 400
    assert {"/version"} <= {field["pointer"] for field in response.json["error"]["fields"]}


@pytest.mark.parametrize(
    "path", ["/api/customersx", "/api/billing", "/api/billing/wallets", "/api/v2/customers"]
)
def test_nothing_else_lies_beside_them(caller: Caller, path: str) -> None:
    response = get(caller, path)

    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")


def test_the_contract_tells_each_view_once(app: Flask) -> None:
    assert set(PATHS) & document(app)["paths"].keys() == set()

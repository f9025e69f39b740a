import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.api.openapi import METHODS, document
from tests.api.conftest import Caller


@pytest.fixture
def contract(app: Flask) -> dict[str, Any]:
    return document(app)


def test_the_contract_is_published_to_anybody(client: FlaskClient) -> None:
    response = client.get("/api/v1/openapi.json")

    assert response.status_code == 200
    assert response.json["openapi"] == "3.1.0"


def test_every_guarded_route_of_the_json_edge_is_in_the_contract(
    app: Flask, contract: dict[str, Any]
) -> None:
    told = {
        (method.upper(), operation["operationId"])
        for methods in contract["paths"].values()
        for method, operation in methods.items()
    }
    routes = {
        (method, f"{rule.endpoint.removeprefix('api.').replace('.', '_')}_{method.lower()}")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in METHODS
        if method in (rule.methods or ())
    }
    assert told == routes


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/events", "post", "202 204 207 400 401 403 404 409 413 415 429 503"),
        ("/invoices", "post", "200 201 400 401 403 404 409 413 415 422 429 503"),
        ("/wallets/{wallet_id}/top-ups", "post", "201 400 401 403 404 409 413 415 422 429 503"),
        ("/payments", "post", "201 400 401 403 404 409 413 415 422 429 503"),
        ("/customers", "get", "200 400 401 403 404 429 503"),
    ],
)
def test_the_contract_tells_every_status(
    contract: dict[str, Any], path: str, method: str, statuses: str
) -> None:
    told = contract["paths"][f"/api/v1{path}"][method]["responses"]
    assert sorted(told) == statuses.split()


def test_the_contract_tells_what_the_doors_for_events_take(contract: dict[str, Any]) -> None:
    doors = {
        path: contract["paths"][path]["post"]
        for path in ("/api/v1/events", "/compat/lago/api/v1/events", "/compat/lago/api/v1/events/batch")
    }
    taken = {path: list(door["requestBody"]["content"]) for path, door in doors.items()}
    refused = {path: door["responses"]["400"]["content"] for path, door in doors.items()}

    clouds = ["application/cloudevents+json", "application/cloudevents-batch+json"]
    assert list(taken.values()) == [["application/json", *clouds], ["application/json"], ["application/json"]]
    assert "content" not in doors["/api/v1/events"]["responses"]["204"]
    assert [
        content["application/json"]["schema"]["$ref"].rpartition("/")[2] for content in refused.values()
    ] == [
        "Error",
        "LagoError",
        "LagoError",
    ]
    assert all("422" in doors[path]["responses"] for path in list(doors)[1:])


def test_the_contract_tells_where_a_pdf_is_sent_and_a_key_is_taken(contract: dict[str, Any]) -> None:
    paths = contract["paths"]
    pdf = paths["/api/v1/invoices/{invoice_id}/pdf"]["get"]["responses"]["200"]["content"]
    assert list(pdf) == ["application/pdf"]
    for path in ("/wallets/{wallet_id}/top-ups", "/wallets/{wallet_id}/credits", "/payments"):
        names = [one["name"] for one in paths[f"/api/v1{path}"]["post"]["parameters"]]
        assert "Idempotency-Key" in names, path


def test_every_reference_in_the_contract_leads_somewhere(contract: dict[str, Any]) -> None:
    text = json.dumps(contract)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert names <= contract["components"]["schemas"].keys()


def test_what_the_contract_requires_of_an_event_is_what_the_door_requires(
    caller: Caller, contract: dict[str, Any]
) -> None:
    required = contract["components"]["schemas"]["Event"]["required"]

    refused = caller.post("/events", {}).json["error"]["fields"]

    assert required == ["event_id", "account_id", "metric"]
    assert refused[0] == {"pointer": "/0/event_id", "code": "required", "message": "event_id is needed."}


def test_the_page_for_people_names_every_path_and_needs_nothing_from_elsewhere(
    client: FlaskClient, contract: dict[str, Any]
) -> None:
    page = client.get("/api/docs").get_data(as_text=True)

    assert all(path in page for path in contract["paths"])
    assert 'src="http' not in page


def test_a_live_process_says_so_without_asking_the_database(client: FlaskClient, query_counter: Any) -> None:
    with query_counter() as queries:
        response = client.get("/healthz")

    assert (response.status_code, response.json, queries) == (200, {"status": "ok"}, [])


def test_a_ready_process_names_what_it_checked(client: FlaskClient) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json) == (
        200,
        {"status": "ok", "checks": {"database": "ok", "redis": "ok"}},
    )


def test_without_redis_a_process_is_ready(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.health._check_redis", lambda: "away")

    assert client.get("/readyz").status_code == 200


def test_with_an_older_schema_a_process_is_not_ready(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.health._newest_revisions", lambda: {"9999"})

    assert client.get("/readyz").status_code == 503

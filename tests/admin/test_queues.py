"""The RQ dashboard: for staff, read-only for those who may not operate, and a GET changes nothing."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from rq import Queue
from rq.serializers import JSONSerializer

from admin_views import queues
from app.permissions import Role
from app.queue import QUEUES
from tests.admin.conftest import Desk
from tests.factories import make_customer


def test_nobody_without_a_session_sees_the_queues(client: FlaskClient) -> None:
    answer = client.get("/rq/")
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in")


def test_a_customer_may_not_see_the_queues(at_desk: Desk) -> None:
    buyer = at_desk(Role.customer, customer=make_customer())
    assert buyer.get("/rq/").status_code == 403


@pytest.mark.parametrize("role", [Role.super_admin, Role.finance_admin, Role.support])
def test_staff_see_the_queues(at_desk: Desk, role: Role) -> None:
    answer = at_desk(role).get("/rq/")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == queues.POLICY


def test_what_waits_in_a_queue_is_counted(app: Flask, at_desk: Desk) -> None:
    queue = Queue("default", connection=app.redis_conn, serializer=JSONSerializer)  # type: ignore[attr-defined]
    queue.enqueue_call("jobs.outbox.deliver")
    told = at_desk().get("/rq/0/data/queues.json").get_json()["queues"]
    assert [(row["name"], row["count"]) for row in told if row["name"] in QUEUES] == [("default", 1)]


def test_only_a_super_admin_empties_a_queue(app: Flask, at_desk: Desk) -> None:
    queue = Queue("default", connection=app.redis_conn, serializer=JSONSerializer)  # type: ignore[attr-defined]
    queue.enqueue_call("jobs.outbox.deliver")
    assert at_desk(Role.support).post("/rq/queue/default/queued/empty").status_code == 403
    assert queue.count == 1
    assert at_desk(Role.super_admin).post("/rq/queue/default/queued/empty").status_code == 200
    assert queue.count == 0


def test_a_get_requeues_nothing(at_desk: Desk) -> None:
    assert at_desk().get("/rq/requeue/default").status_code == 404


def test_a_post_without_the_token_is_refused(at_desk: Desk) -> None:
    assert at_desk().client.post("/rq/queue/default/queued/empty").status_code == 400

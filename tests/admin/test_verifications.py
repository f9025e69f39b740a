"""The page of the books: the last result at once, a button to look again, and the record behind a problem."""

from sqlalchemy import select

from app import clock
from app.db import db
from app.models import Verification
from app.permissions import Role
from app.services import verifications
from tests.admin.conftest import Desk, Person
from tests.factories import ACTOR, make_wallet
from tests.services.tampering import power


def test_the_page_shows_the_last_result_and_asks_nothing_anew(desk: Person) -> None:
    assert "Nobody has looked yet." in desk.text("/admin/verify/")
    make_wallet("250")
    verifications.work(verifications.start(at=clock.now(), actor=ACTOR).id)
    page = desk.text("/admin/verify/")
    assert "<strong>The books balance.</strong>" in page
    assert '<span class="number">2</span> postings' in page
    assert "Balances, debts and sequences of wallets equal their postings" in page
    assert "balanced" in desk.text("/admin/")


def test_run_now_asks_a_worker_and_shows_how_far_it_is(desk: Person) -> None:
    assert "Run now" in desk.text("/admin/verify/")
    answer = desk.post("/admin/verify/operation/start/")
    page = desk.text(answer.location)
    assert "The books are being checked; this page tells how far it is." in page
    assert 'http-equiv="refresh"' in page
    run = db.session.scalars(select(Verification)).one()
    assert run.status == "queued"
    verifications.work(run.id)
    assert 'http-equiv="refresh"' not in desk.text("/admin/verify/")


def test_a_problem_leads_to_the_record_that_it_names(desk: Person) -> None:
    wallet = make_wallet("250")
    power(db.session(), "UPDATE wallets SET balance = 251")
    run = verifications.start(at=clock.now(), actor=ACTOR)
    verifications.work(run.id)
    page = desk.text(f"/admin/verify/details/?id={run.id}")
    assert "<strong>The books do not balance.</strong>" in page
    assert f'<a href="/admin/wallets/details/?id={wallet.id}">wallet {wallet.id}</a>' in page
    assert "The balance is 251, the postings say 250." in page
    assert "differences found" in desk.text("/admin/")


def test_support_reads_and_cannot_start(at_desk: Desk) -> None:
    rohit = at_desk(Role.support)
    assert "Run now" not in rohit.text("/admin/verify/")
    assert rohit.post("/admin/verify/operation/start/").status_code == 403
    assert db.session.scalars(select(Verification)).all() == []

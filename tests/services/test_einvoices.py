"""A document that needs an e-invoice is registered exactly once, and not handed out before."""

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
import time_machine
from sqlalchemy import func, select

from app import clock
from app.db import db, transaction
from app.errors import Conflict, Invalid
from app.gateways.einvoice_sandbox import SandboxPortal
from app.models import AuditRecord, EInvoice, OutboxMessage, StoredFile
from app.models.einvoices import EInvoiceStatus
from app.models.invoices import InvoiceStatus
from app.services import credit_notes, documents, einvoice_attempts, einvoices, issuing
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER
from tests.services.reporting import Unreliable, issue_to, registered_buyer, reporting


@pytest.fixture(autouse=True)
def portal(app, tmp_path):
    """The portal, at the time when the invoices of October are issued."""
    with time_machine.travel(IN_NOVEMBER, tick=False), reporting(app, tmp_path):
        yield SandboxPortal(tmp_path / "einvoices")


@pytest.fixture
def seller():
    with transaction():
        make.make_tax_rate("18")
        return make.make_seller()


@pytest.fixture
def invoice(seller):
    with transaction():
        return issue_to(registered_buyer())


def later(minutes):
    return time_machine.travel(clock.now() + timedelta(minutes=minutes), tick=False)


def row_of(invoice):
    db.session.expire_all()
    return einvoices.get(invoice)


def actions(row):
    """Return what the audit trail has of an e-invoice, in the order of the alphabet: the clock stands."""
    query = select(AuditRecord.action).where(AuditRecord.resource_id == str(row.id))
    return [action.removeprefix("einvoice.") for action in sorted(db.session.scalars(query))]


def promised():
    kind = OutboxMessage.kind == "invoice.document"
    return db.session.scalar(select(func.count()).where(kind))


def use_portal(monkeypatch, app, **kwargs):
    portal = Unreliable(app.extensions["settings"].data_dir / "einvoices", **kwargs)
    monkeypatch.setattr(einvoice_attempts, "open_provider", lambda name, settings: portal)
    return portal


def test_an_invoice_to_a_business_waits_for_its_number_and_gets_it(invoice, portal):
    row = row_of(invoice)
    assert (row.status, row.ack_no, promised()) == (EInvoiceStatus.awaiting_irn, None, 0)
    assert einvoice_attempts.has_due()
    assert einvoice_attempts.run() == {"settled": 1, "left": 0}
    row = row_of(invoice)
    text = f"{invoice.snapshot['seller']['gstin']}2026-27INV{invoice.number}"
    assert row.irn == sha256(text.encode()).hexdigest()
    assert (row.status, len(row.ack_no), row.attempts) == (EInvoiceStatus.registered, 15, 1)
    assert row.ack_at == IN_NOVEMBER
    told = portal.read(row.signed_qr)
    assert (told["DocNo"], told["TotInvVal"], told["Irn"]) == (invoice.number, Decimal(1180), row.irn)
    assert portal.read(row.signed_invoice)["AckNo"] == int(row.ack_no)
    assert actions(row) == ["registered", "required"]
    assert (promised(), einvoice_attempts.has_due()) == (1, False)


def test_there_is_no_document_before_the_portal_has_signed(invoice):
    with pytest.raises(einvoices.AwaitingIrn, match="waits for its registration"), transaction():
        documents.load(invoice)
    assert db.session.scalar(select(func.count()).select_from(StoredFile)) == 0


def test_the_document_shows_the_signed_code_and_is_the_same_for_ever(invoice):
    einvoice_attempts.run()
    with transaction():
        first = documents.load(invoice)
    with transaction():
        row = row_of(invoice)
        einvoices.cancel(row, reason=2, remark="Wrong order", at=clock.now(), actor=make.ACTOR)
    einvoice_attempts.run()
    with transaction():
        db.session.delete(documents.find(invoice))
    with transaction():
        assert documents.load(invoice) == first


def test_who_is_not_registered_needs_none(seller):
    with transaction():
        invoice = issue_to(make.make_account())
    assert (einvoices.find(invoice), promised()) == (None, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"einvoice_provider": "", "einvoice_from": ""},
        {"einvoice_from": "2026-11-02"},
        {"einvoice_turnover": 50_000_000},
    ],
    ids=["switched off", "before the first day", "not above five crore"],
)
def test_nobody_is_asked_where_the_law_does_not_ask(app, seller, tmp_path, changes):
    with reporting(app, tmp_path, **changes), transaction():
        invoice = issue_to(registered_buyer())
    assert (einvoices.find(invoice), promised()) == (None, 1)


def test_an_invoice_that_the_portal_would_refuse_is_parked_without_a_number(seller):
    with transaction():
        invoice = issue_to(registered_buyer(postal_code=None))
    assert (invoice.status, invoice.number) == (InvoiceStatus.parked, None)
    assert invoice.parked_reason == "/BuyerDtls/Pin: The customer's address needs a PIN code of six digits."
    assert einvoices.find(invoice) is None
    with transaction():
        invoice.customer.postal_code = "400050"
    with transaction():
        issuing.issue(invoice, at=IN_NOVEMBER, actor=make.ACTOR)
    assert row_of(invoice).status is EInvoiceStatus.awaiting_irn


def test_an_answer_that_was_lost_registers_nothing_twice(app, invoice, monkeypatch):
    portal = use_portal(monkeypatch, app, lost=("register",))
    assert einvoice_attempts.run() == {"settled": 0, "left": 1}
    row = row_of(invoice)
    assert (row.status, row.last_error) == (EInvoiceStatus.awaiting_irn, "The portal did not answer.")
    assert not einvoice_attempts.has_due()
    with later(1):
        assert einvoice_attempts.run() == {"settled": 1, "left": 0}
    assert portal.calls == ["register", "find"]
    assert row_of(invoice).status is EInvoiceStatus.registered


def test_a_killed_attempt_is_taken_up_and_finds_what_it_registered(app, invoice, monkeypatch):
    portal = use_portal(monkeypatch, app)
    monkeypatch.setattr(einvoice_attempts, "_write", _killed)
    with pytest.raises(KeyboardInterrupt):
        einvoice_attempts.run()
    monkeypatch.undo()
    monkeypatch.setattr(einvoice_attempts, "open_provider", lambda name, settings: portal)
    with later(1):
        einvoice_attempts.run()
    assert portal.calls == ["register", "find"]
    assert (row_of(invoice).status, row_of(invoice).attempts) == (EInvoiceStatus.registered, 2)


def _killed(*args):
    raise KeyboardInterrupt


def test_the_pauses_double_up_to_an_hour(app, invoice, monkeypatch):
    use_portal(monkeypatch, app, lost=("register", *("find",) * 9))
    pauses = []
    at = clock.now()
    for _ in range(10):
        with time_machine.travel(at, tick=False):
            einvoice_attempts.run()
        pauses.append((row_of(invoice).next_try_at - at).total_seconds())
        at = row_of(invoice).next_try_at
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_duplicate_is_looked_up_and_believed_only_if_it_is_the_same(invoice, portal):
    row = row_of(invoice)
    document = einvoices.document_of(invoice)
    portal.register({**document, "ValDtls": {**document["ValDtls"], "TotInvVal": Decimal("1180.50")}})
    assert einvoice_attempts.run() == {"settled": 1, "left": 0}
    row = row_of(invoice)
    assert (row.status, row.ack_no) == (EInvoiceStatus.failed, None)
    assert row.failure == "other_document: The portal has another document under this number."


def test_what_another_has_signed_is_not_believed(app, invoice, portal, tmp_path, monkeypatch):
    forger = SandboxPortal(tmp_path / "elsewhere")
    forged = forger.register(einvoices.document_of(invoice))
    monkeypatch.setattr(einvoice_attempts, "open_provider", lambda name, settings: Forged(portal, forged))
    einvoice_attempts.run()
    row = row_of(invoice)
    assert (row.status, row.failure) == (EInvoiceStatus.failed, "The portal has not signed this.")


class Forged:
    """Answers with somebody else's signature; reads with the portal's key."""

    def __init__(self, portal, answer):
        self.read, self._answer = portal.read, answer

    def register(self, document):
        return self._answer


def test_what_was_refused_is_shown_and_can_be_asked_for_again(invoice, portal, tmp_path):
    content = einvoices.document_of(invoice)
    other = {**content, "ValDtls": {**content["ValDtls"], "TotInvVal": Decimal("1180.50")}}
    registered = portal.register(other)
    einvoice_attempts.run()
    (tmp_path / "einvoices" / f"{registered.irn}.json").unlink()
    with transaction():
        einvoices.register_again(row_of(invoice), at=clock.now(), actor=make.ACTOR)
    einvoice_attempts.run()
    row = row_of(invoice)
    assert (row.status, row.failure) == (EInvoiceStatus.registered, None)
    assert actions(row) == ["asked_again", "failed", "registered", "required"]
    with pytest.raises(Conflict, match="nothing to repeat"), transaction():
        einvoices.register_again(row, at=clock.now(), actor=make.ACTOR)


def ask_to_cancel(invoice, **changes):
    given = {"reason": 2, "remark": "Wrong customer", "at": clock.now(), "actor": make.ACTOR}
    with transaction():
        return einvoices.cancel(row_of(invoice), **{**given, **changes})


def test_a_registration_is_cancelled_within_a_day(invoice, portal):
    einvoice_attempts.run()
    with later(24 * 60):
        assert ask_to_cancel(invoice).status is EInvoiceStatus.cancelling
        assert einvoice_attempts.run() == {"settled": 1, "left": 0}
        row = row_of(invoice)
        assert (row.status, row.cancelled_at) == (EInvoiceStatus.cancelled, clock.now())
    assert portal.find(row.irn, gstin=invoice.snapshot["seller"]["gstin"]).cancelled_at == row.cancelled_at
    assert actions(row) == ["cancellation_asked", "cancelled", "registered", "required"]


def test_after_a_day_it_says_what_to_do_instead(invoice):
    einvoice_attempts.run()
    with later(24 * 60 + 1), pytest.raises(Conflict) as refused:
        ask_to_cancel(invoice)
    assert refused.value.message == (
        "The portal cancels within 24 hours only, which ended on 02 Nov 2026 at 09:30 in India. "
        "Issue a credit note instead."
    )
    assert row_of(invoice).status is EInvoiceStatus.registered


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"reason": 5}, "/reason"),
        ({"reason": "2"}, "/reason"),
        ({"reason": True}, "/reason"),
        ({"remark": "no"}, "/remark"),
        ({"remark": "x" * 101}, "/remark"),
        ({"remark": None}, "/remark"),
    ],
)
def test_a_cancellation_needs_the_portals_reason_and_a_remark(invoice, changes, pointer):
    einvoice_attempts.run()
    with pytest.raises(Invalid) as refused:
        ask_to_cancel(invoice, **changes)
    assert [field.pointer for field in refused.value.fields] == [pointer]
    assert row_of(invoice).status is EInvoiceStatus.registered


def test_only_what_is_registered_is_cancelled(invoice):
    with pytest.raises(Conflict, match="this is awaiting irn"):
        ask_to_cancel(invoice)


def test_a_cancellation_whose_answer_was_lost_is_found_out(app, invoice, monkeypatch):
    einvoice_attempts.run()
    portal = use_portal(monkeypatch, app, lost=("cancel",))
    ask_to_cancel(invoice)
    assert einvoice_attempts.run() == {"settled": 0, "left": 1}
    with later(1):
        assert einvoice_attempts.run() == {"settled": 1, "left": 0}
    assert portal.calls == ["cancel", "cancel", "find"]
    assert (row_of(invoice).status, row_of(invoice).cancelled_at) == (EInvoiceStatus.cancelled, IN_NOVEMBER)


def test_a_cancellation_that_comes_too_late_at_the_portal_leaves_it_registered(invoice):
    einvoice_attempts.run()
    ask_to_cancel(invoice)
    with later(24 * 60 + 1):
        einvoice_attempts.run()
    row = row_of(invoice)
    assert row.status is EInvoiceStatus.registered
    assert row.last_error == "2270: The allowed cancellation time limit is crossed, you cannot cancel the IRN"


def credit(invoice, amount="118"):
    with transaction():
        return credit_notes.issue(
            invoice, reason="Half was late", amount=amount, at=clock.now(), actor=make.ACTOR
        )


def test_a_credit_note_is_reported_too_and_names_its_invoice(invoice, portal):
    einvoice_attempts.run()
    note = credit(invoice)
    einvoice_attempts.run()
    row = row_of(note)
    told = portal.read(row.signed_invoice)
    assert (row.status, told["DocDtls"]["Typ"]) == (EInvoiceStatus.registered, "CRN")
    assert told["RefDtls"]["PrecDocDtls"] == [{"InvNo": invoice.number, "InvDt": "01/11/2026"}]
    with pytest.raises(Conflict, match="A credit note is not cancelled"):
        ask_to_cancel(note)


def test_the_note_on_a_cancelled_registration_needs_none(invoice):
    einvoice_attempts.run()
    ask_to_cancel(invoice)
    einvoice_attempts.run()
    with transaction():
        note = credit_notes.void(invoice, reason="Cancelled", at=clock.now(), actor=make.ACTOR)
    assert (einvoices.find(note), row_of(invoice).invoice.status) == (None, InvoiceStatus.cancelled)


def test_several_are_exported_as_an_array_of_exact_numbers(invoice):
    alone = einvoices.export([invoice])
    assert alone.startswith(b'{"Version":"1.1"')
    assert b'"TotInvVal":1180.00' in alone
    assert einvoices.export([invoice, invoice], many=True) == b"[" + alone + b"," + alone + b"]"


def test_an_export_in_dollars_is_registered_in_rupees(seller, portal):
    with transaction():
        customer = make.make_customer(
            "Golden Gate Inc.", country="US", city="San Francisco", postal_code="94104"
        )
        invoice = issue_to(make.make_account(customer, currency="USD"))
    assert invoice.status is not InvoiceStatus.parked, invoice.parked_reason
    einvoice_attempts.run()
    told = portal.read(row_of(invoice).signed_invoice)
    assert told["TranDtls"]["SupTyp"] == "EXPWOP"
    assert told["ValDtls"]["TotInvVal"] == Decimal("83250.00")
    assert (told["ValDtls"]["TotInvValFc"], told["ExpDtls"]["ForCur"]) == (Decimal("1000.00"), "USD")


def test_the_database_keeps_what_the_portal_has_signed(session, invoice):
    einvoice_attempts.run()
    row = row_of(invoice)
    before = (row.irn, row.signed_qr)
    for change in ({"irn": "0" * 64}, {"signed_qr": "forged"}, {"ack_no": "1"}):
        with pytest.raises(Exception, match="is registered and cannot change"), transaction():
            db.session.execute(EInvoice.__table__.update().where(EInvoice.id == row.id).values(**change))
    row = row_of(invoice)
    assert (row.irn, row.signed_qr) == before

"""A small world with at least one row of every model, for tests that walk over all screens."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text

from app.db import Base, db
from app.ids import new_id
from app.models import (
    Account,
    Approval,
    AuditRecord,
    BillingRun,
    BillingRunItem,
    Branding,
    BrandLogo,
    ChargePosition,
    Customer,
    CustomerNote,
    DeadLetter,
    DocumentMail,
    EndedSession,
    EventArchive,
    EventCorrection,
    EventKey,
    Export,
    IdempotencyRecord,
    Invoice,
    InvoiceLine,
    InvoiceSeries,
    JobRun,
    OutboxMessage,
    Payment,
    PlanMove,
    PlanMoveItem,
    SavedFilter,
    SimulatedAccount,
    Simulation,
    StoredFile,
    TaxCollector,
    UsageDelta,
    UsageEvent,
    UsageRollup,
    UsedNonce,
    Verification,
    Wallet,
    WebhookMessage,
)
from app.models.billing_runs import ItemStatus, RunStatus
from app.models.invoices import InvoiceKind, InvoiceStatus, LineKind
from app.models.payments import PaymentStatus
from app.permissions import Role
from app.services import audit, audit_chain, keys, snapshots, taxes, users, wallets
from app.services.price_book import PriceBook
from tests import factories

OCTOBER = datetime(2026, 9, 30, 18, 30, tzinfo=UTC)
NOVEMBER = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
AT = datetime(2026, 10, 5, 6, 0, tzinfo=UTC)


@dataclass
class World:
    """The rows that tests name."""

    customer: Customer
    account: Account
    prepaid: Account
    wallet: Wallet
    invoice: Invoice
    plan: Any
    metric: Any


def make_world(number: int = 1) -> World:
    """Make one row of every model, and more of most."""
    metric = factories.make_metric()
    plan = factories.make_plan(components=[factories.per_unit(metric), factories.fee()])
    customer = factories.make_customer(f"Kaveri Foods {number}")
    account = factories.make_account(customer)
    prepaid = factories.make_account(customer, prepaid=True, name=f"Kaveri wallet {number}")
    subscription = factories.make_subscription(account, plan)
    wallet = wallets.find_for(prepaid)
    assert wallet is not None
    wallet.low_balance_threshold = Decimal(500)
    wallets.top_up(
        wallet, Decimal(250), at=AT, actor=factories.ACTOR, reason="Bank transfer", reference=f"UTR{number}"
    )
    component = plan.versions[0].components[0]
    invoice = make_invoice(account, number)
    line = InvoiceLine(
        invoice=invoice,
        n=1,
        kind=LineKind.usage,
        description="One-time passwords",
        sac="998319",
        metric_code=metric.code,
        unit="message",
        quantity=Decimal(4000),
        unit_price=Decimal("0.25"),
        amount=Decimal(1000),
        tax_rate=Decimal(18),
        taxes=invoice.taxes,
        period_start=OCTOBER,
        period_end=NOVEMBER,
        subscription=subscription,
        version=plan.versions[0],
        component=component,
        breakdown=[
            {"kind": "tier", "tier": 1, "quantity": "4000", "unit": "0.25", "flat": "0", "amount": "1000"}
        ],
        events_hash="ab" * 32,
    )
    add(line)
    position = ChargePosition(
        account=account,
        subscription=subscription,
        component=component,
        period_start=OCTOBER,
        period_end=NOVEMBER,
        currency="INR",
    )
    run = BillingRun(
        period=f"20{number:02d}-10", status=RunStatus.done, started_by="Test Person", finished_at=AT
    )
    simulation = Simulation(
        version=plan.versions[0],
        first_month="2026-08",
        last_month="2026-10",
        scope="plan",
        prices_sha256=b"\x05" * 32,
        status="done",
        accounts=1,
        started_by="Test Person",
        finished_at=AT,
    )
    factories.make_contract(account, subscription, number)
    staff = users.create(f"desk{number}@otpless.example", role=Role.finance_admin, actor=factories.ACTOR)
    move = PlanMove(version=plan.versions[0], started_by="Test Person")
    add(
        position,
        run,
        simulation,
        SimulatedAccount(
            simulation=simulation,
            account=account,
            status="compared",
            currency="INR",
            old_amount=Decimal(1000),
            new_amount=Decimal(900),
            difference=Decimal(-100),
        ),
        Approval(
            operation="credit",
            wallet=wallet,
            amount=Decimal(60000),
            currency="INR",
            reason="Goodwill",
            requested_by_id=staff.id,
            requested_by="Test Person",
            expires_at=AT + timedelta(days=7),
        ),
        move,
        PlanMoveItem(move=move, subscription=subscription, from_version=plan.versions[0]),
        BillingRunItem(run=run, account=account, status=ItemStatus.issued, invoice=invoice),
        Payment(
            account=account,
            invoice=invoice,
            gateway="manual",
            status=PaymentStatus.succeeded,
            amount=Decimal(100),
            currency="INR",
            gateway_ref=f"m{number}",
            created_by="Test Person",
        ),
        DocumentMail(
            document_type="Invoice",
            document_id=invoice.id,
            n=1,
            customer=customer,
            recipient="finance@example.com",
            copies=["cfo@example.com"],
            subject=f"Invoice {number}",
            requested_by="Test Person",
        ),
        Export(
            kind="invoices",
            format="csv",
            status="done",
            parameters={"customer": str(customer.id)},
            customer=customer,
            requested_by="Test Person",
            file_key=f"exports/{number}.csv",
            sha256=b"\x04" * 32,
            keep_until=AT,
        ),
        CustomerNote(customer=customer, text="Pays on the last day.", author="Test Person"),
        SavedFilter(
            user_id=staff.id, screen="invoices", name=f"Late {number}", arguments={"status": "overdue"}
        ),
        *branding_rows(number),
        *usage_rows(account, metric, number),
        *machinery_rows(number),
    )
    issue(invoice, number)
    audit_chain.seal(AT)
    audit_chain.anchor(AT)
    audit.note(factories.ACTOR, "world.made", "World", str(number), summary="It waits for its seal", at=AT)
    db.session.flush()
    return World(customer, account, prepaid, wallet, invoice, plan, metric)


def make_invoice(account: Account, number: int, **values: Any) -> Invoice:
    """Make a draft invoice of ₹1,180."""
    seller = factories.make_seller(
        gstin=factories.a_gstin("29", entity="123456789ABCDEFGHIJKLMNPQRSTUVWXY"[number % 30])
    )
    given: dict[str, Any] = {
        "account": account,
        "customer": account.customer,
        "registration": seller,
        "kind": InvoiceKind.tax_invoice,
        "currency": "INR",
        "period_start": OCTOBER,
        "period_end": NOVEMBER,
        "place_of_supply": "29",
        "subtotal": Decimal(1000),
        "tax_total": Decimal(180),
        "total": Decimal(1180),
        "amount_paid": Decimal(100),
        "taxes": [
            {"code": "CGST", "rate": "9", "taxable": "1000", "amount": "90"},
            {"code": "SGST", "rate": "9", "taxable": "1000", "amount": "90"},
        ],
    }
    invoice = Invoice(**{**given, **values})
    add(
        invoice,
        InvoiceSeries(
            registration=seller,
            kind=InvoiceKind.tax_invoice,
            financial_year="2026-27",
            prefix="BLR",
            last_number=number,
        ),
    )
    return invoice


def issue(invoice: Invoice, number: int) -> None:
    """Give a draft its number and its snapshot; from now on the database keeps it as it is."""
    db.session.refresh(invoice)
    invoice.number = f"BLR/26-27/{number:05d}"
    invoice.status, invoice.issued_at, invoice.issued_on, invoice.due_on = (
        InvoiceStatus.issued,
        AT,
        date(2026, 11, 1),
        date(2026, 11, 16),
    )
    with db.session.no_autoflush:
        seller = taxes.seller_of(invoice.registration)
        invoice.snapshot = snapshots.of(invoice, invoice.account, seller, PriceBook())
    invoice.snapshot_sha256 = b"\x01" * 32
    db.session.flush()


def branding_rows(number: int) -> list[Base]:
    """Return a logo, and once the branding, of which there is one row."""
    logo = BrandLogo(sha256=number.to_bytes(32), content_type="image/png", content=b"\x89PNG")
    return [logo, *([Branding(name="OTPless", accent="#1976d2", logo=logo)] if number == 1 else [])]


def usage_rows(account: Account, metric: Any, number: int) -> list[Base]:
    """Return three events with what metering makes of them, and a refused one."""
    db.session.execute(text("SELECT ensure_usage_partition(:at)"), {"at": AT})
    events = [
        UsageEvent(
            account_id=account.id,
            occurred_at=AT + timedelta(minutes=n),
            event_id=f"e{number}-{n}",
            metric_id=metric.id,
            quantity=Decimal(1),
            properties={"channel": "sms"},
        )
        for n in range(3)
    ]
    where = {
        "account_id": account.id,
        "metric_id": metric.id,
        "bucket_at": AT,
        "dimensions": {"channel": "sms"},
        "quantity": Decimal(3),
        "events": 3,
    }
    dead = DeadLetter(
        source="api",
        code="unknown_metric",
        pointer="/metric",
        message="There is no metric 'x'.",
        account_ref="acct-1",
        metric_code="x",
        event_id=f"d{number}",
        payload={"metric": "x"},
        payload_sha256=number.to_bytes(32),
        last_seen_at=AT,
    )
    db.session.execute(insert(UsageRollup).values(**where))
    return [
        *events,
        UsageDelta(**where),
        dead,
        EventCorrection(
            **{name: value for name, value in where.items() if name != "events"},
            event_id=f"gone{number}",
            kind="cancel",
            occurred_at=AT,
            reason="Sent twice",
            actor="Test Person",
            at=AT,
        ),
        EventKey(account_id=account.id, event_id=f"e{number}-0", body_sha256=b"\x02" * 32, occurred_at=AT),
    ]


def machinery_rows(number: int) -> list[Base]:
    """Return rows of what the jobs keep, and a person with a key."""
    users.create(f"person{number}@otpless.example", role=Role.support, actor=factories.ACTOR)
    keys.create(f"Ingest {number}", scopes=["events:write"], at=AT, actor=factories.ACTOR)
    factories.make_tax_rate(valid_from=date(2015, 1, 1) + timedelta(days=number))
    factories.make_exchange_rate(valid_from=date(2016, 1, 1) + timedelta(days=number))
    return [
        TaxCollector(
            country="ID",
            tax_name="PPN",
            number="01.234.567.8-012.000",
            valid_from=date(2015, 1, 1) + timedelta(days=number),
        ),
        UsedNonce(key_id=new_id(), nonce=f"n-{number}", forget_at=AT),
        EndedSession(id=new_id(), ended_at=AT),
        WebhookMessage(
            gateway="stripe",
            dedup_key=f"pi_{number}:succeeded",
            kind="payment",
            reference=f"pi_{number}",
            payload={"id": number},
        ),
        OutboxMessage(kind="invoice_pdf", key=f"invoice-{number}", payload={"invoice": str(number)}),
        IdempotencyRecord(
            caller="key", key=f"k{number}", request_sha256=b"\x03" * 32, status=201, answer={"id": number}
        ),
        StoredFile(
            key=f"invoices/{number}.pdf",
            content_type="application/pdf",
            size=10,
            sha256=b"\x04" * 32,
            resource_type="Invoice",
            resource_id=str(number),
        ),
        EventArchive(
            month=f"2024-{number % 12 + 1:02d}",
            sequence=1 + number // 12,
            status="restored",
            file_key=f"archives/usage-events/{number}.csv.gz",
            requested_by="Test Person",
        ),
        JobRun(
            job="jobs.verify.books",
            period=f"2026-10-{number:02d}",
            finished_at=AT,
            succeeded=True,
            detail={"postings": 4},
        ),
        Verification(status="done", started_by="Test Person", finished_at=AT, checks=1, done=1, report={}),
        AuditRecord(
            at=AT,
            actor_kind="system",
            actor_id="x",
            actor="metering",
            role="super_admin",
            action="wallet.debited",
            resource_type="Wallet",
            resource_id=str(number),
            summary="Usage was deducted",
            before=None,
            after={"balance": "1"},
        ),
    ]


def add(*rows: Base) -> None:
    """Store rows."""
    db.session.add_all(rows)
    db.session.flush()

"""Two customers with one row of everything each, and the addresses of those rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import Select, select
from werkzeug.routing import Rule

from app.db import Base, db
from app.models import (
    Account,
    AccountCredit,
    ApiKey,
    Approval,
    BillingRun,
    Commitment,
    Coupon,
    Customer,
    DeadLetter,
    Discount,
    ExchangeRate,
    Export,
    Grant,
    Hold,
    Invoice,
    InvoiceSeries,
    JobRun,
    LetterOfUndertaking,
    Payment,
    PlanMove,
    Refund,
    SellerRegistration,
    Simulation,
    Subscription,
    TaxCollector,
    TaxRate,
    TdsReceivable,
    TermsOverride,
    UsageEvent,
    User,
    Verification,
    Voucher,
    Wallet,
    WalletTransaction,
)
from app.models.invoices import InvoiceKind
from app.services import keys
from tests.admin.movements import make_movements
from tests.admin.world import AT, World, make_world
from tests.factories import ACTOR

NOBODY = "00000000-0000-7000-8000-000000000000"
# The arguments of addresses, and whose row each names. A new argument needs its line here.
ARGUMENTS: dict[str, type[Base]] = {
    "approval_id": Approval,
    "collector_id": TaxCollector,
    "commitment_id": Commitment,
    "credit_id": AccountCredit,
    "discount_id": Discount,
    "export_id": Export,
    "grant_id": Grant,
    "hold_id": Hold,
    "invoice_id": Invoice,
    "key_id": ApiKey,
    "letter_id": DeadLetter,
    "move_id": PlanMove,
    "note_id": Invoice,
    "override_id": TermsOverride,
    "payment_id": Payment,
    "rate_id": TaxRate,
    "receivable_id": TdsReceivable,
    "refund_id": Refund,
    "registration_id": SellerRegistration,
    "run_id": BillingRun,
    "series_id": InvoiceSeries,
    "simulation_id": Simulation,
    "subscription_id": Subscription,
    "transaction_id": WalletTransaction,
    "user_id": User,
    "voucher_id": Voucher,
    "wallet_id": Wallet,
}
# Where the same argument names something else.
ELSEWHERE: dict[tuple[str, str], type[Base]] = {
    ("/admin/exchange-rates", "rate_id"): ExchangeRate,
    ("/admin/letters-of-undertaking", "letter_id"): LetterOfUndertaking,
    ("/admin/verify", "run_id"): Verification,
    ("/admin/dead-letters/replays", "run_id"): JobRun,
}
# Those that name no row of a customer.
FIXED = {"n": "1", "number": "1", "other": "1", "month": "2024-02", "gateway": "stripe"}


@dataclass
class House:
    """What belongs to one customer."""

    world: World

    @cached_property
    def customer(self) -> Customer:
        """The customer."""
        return self.world.customer

    def find(self, model: type[Base]) -> Any:
        """Return the oldest row of a model that belongs to the customer, of what belongs to nobody the
        oldest."""
        (key,) = model.__table__.primary_key.columns  # type: ignore[attr-defined]
        query = owned(model, self.customer)
        found = db.session.scalars(query.order_by(getattr(model, key.key)).limit(1)).first()
        assert found is not None, f"The world has no {model.__name__}."
        return found

    def row(self, address: str, argument: str) -> Any:
        """Return the row that an argument of an address names."""
        places = [place for place, name in ELSEWHERE if name == argument and place in address]
        if argument == "note_id":
            notes = owned(Invoice, self.customer).where(Invoice.kind == InvoiceKind.credit_note)
            return db.session.scalars(notes).one()
        if argument == "key_id" and address.startswith("/portal"):
            return db.session.scalars(select(ApiKey).where(ApiKey.account_id == self.world.account.id)).one()
        if argument == "wallet_id":
            return self._wallet_of(address)
        return self.find(ELSEWHERE[places[0], argument] if places else ARGUMENTS[argument])

    def _wallet_of(self, address: str) -> Wallet:
        """Return the wallet; where the address names what lies in it, the one that this lies in."""
        for argument in ("hold_id", "grant_id", "transaction_id"):
            if f"{argument}>" in address:
                return db.session.get_one(Wallet, self.find(ARGUMENTS[argument]).wallet_id)
        return self.world.wallet

    def arguments(self, rule: Rule, *, missing: bool = False) -> Mapping[str, str]:
        """Return the arguments that make a rule an address of this house, or of nothing that there is."""
        return {name: self._value(rule.rule, name, missing) for name in rule.arguments}

    def _value(self, address: str, name: str, missing: bool) -> str:
        if name in FIXED:
            return FIXED[name]
        if name == "event_id":
            events = select(UsageEvent.event_id).where(UsageEvent.account_id == self.world.account.id)
            return (
                "nowhere"
                if missing
                else str(db.session.scalars(events.order_by(UsageEvent.event_id)).first())
            )
        if name == "code":
            row: Any = self.world.metric if "/metrics" in address else self.world.plan
            row = self.find(Coupon) if "/coupons" in address else row
            return "nowhere" if missing else str(row.code)
        if name == "reference":
            row = self.customer if "/customers" in address else self.world.account
            return NOBODY if missing else str(row.id)
        return NOBODY if missing else str(self.row(address, name).id)

    def marks(self) -> set[str]:
        """Return what only this house's records say: ids, numbers and names that no answer to another
        customer may hold."""
        models = (Account, Invoice, Payment, Wallet, Subscription, Voucher, Refund, Export, Grant, Hold)
        rows = [row for model in models for row in db.session.scalars(owned(model, self.customer))]
        ids = {str(row.id) for row in rows} | {str(self.customer.id)}
        return ids | {self.customer.name, self.customer.email} - {None}


def make_houses() -> tuple[House, House]:
    """Make both customers, each with a row of every model."""
    houses = []
    for number in (1, 2):
        world = make_world(number)
        make_movements(world.customer)
        _make_credit_note(world)
        keys.create("own", scopes=["events:write"], account=world.account, at=AT, actor=ACTOR)
        houses.append(House(world))
    return houses[0], houses[1]


def _make_credit_note(world: World) -> None:
    """Take a part of the customer's invoice back."""
    invoice = world.invoice
    note = Invoice(
        account=invoice.account,
        customer=invoice.customer,
        registration=invoice.registration,
        kind=InvoiceKind.credit_note,
        original=invoice,
        currency=invoice.currency,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        place_of_supply=invoice.place_of_supply,
        subtotal=Decimal(10),
        tax_total=Decimal(0),
        total=Decimal(10),
        taxes=[],
    )
    db.session.add(note)
    db.session.flush()
    note.number, note.status, note.issued_at, note.issued_on = f"CN/{invoice.number}", "issued", AT, AT.date()
    note.snapshot, note.snapshot_sha256 = {**(invoice.snapshot or {}), "number": note.number}, b"\x01" * 32
    db.session.flush()


def owned(model: type[Base], customer: Customer) -> Select[Any]:
    """Return the rows of a model that belong to a customer; all of them where nobody owns one."""
    accounts = select(Account.id).where(Account.customer_id == customer.id)
    owners: dict[str, Any] = {
        "customer_id": [customer.id],
        "account_id": accounts,
        "wallet_id": select(Wallet.id).where(Wallet.account_id.in_(accounts)),
        "invoice_id": select(Invoice.id).where(Invoice.customer_id == customer.id),
        "payment_id": select(Payment.id).where(Payment.account_id.in_(accounts)),
        "subscription_id": select(Subscription.id).where(Subscription.account_id.in_(accounts)),
    }
    columns = model.__table__.columns  # type: ignore[attr-defined]
    for name, inside in owners.items():
        if name in columns and model not in (ApiKey, User, Simulation):
            return select(model).where(columns[name].in_(inside))
    return select(model)

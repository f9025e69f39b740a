"""What the tests of e-invoices share: an app that reports its documents, and buyers who need it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask

from app.gateways.einvoice_sandbox import SandboxPortal
from app.gateways.einvoices import PortalUnavailable, Registered
from app.models import Account, Invoice
from tests import factories as make
from tests.services.invoicing import issue_for, priced, use

T = TypeVar("T")
CRORE = 10_000_000
CITY = {"city": "Mumbai", "postal_code": "400050", "address_line1": "5 Hill Road"}


@contextmanager
def reporting(app: Flask, data_dir: Path, **changes: Any) -> Iterator[None]:
    """Let the app register its documents at the sandbox portal, as a seller above ₹5 crore has to."""
    before = app.extensions["settings"]
    given = {
        "data_dir": data_dir,
        "einvoice_provider": "sandbox",
        "einvoice_from": "2026-04-01",
        "einvoice_turnover": 6 * CRORE,
    }
    app.extensions["settings"] = replace(before, **{**given, **changes})
    try:
        yield
    finally:
        app.extensions["settings"] = before


def registered_buyer(state: str = "27", **values: Any) -> Account:
    """Return the account of a customer with a GSTIN of that State, Maharashtra by default."""
    given = {"gstin": make.a_gstin(state, pan="AABCN1234F"), "state_code": state, **CITY}
    return make.make_account(make.make_customer("Hill Road Traders", **{**given, **values}))


def issue_to(account: Account, quantity: int = 100, unit: str = "10") -> Invoice:
    """Use something in October, and issue the invoice for it."""
    metric = make.make_metric()
    priced(make.per_unit(metric, unit, currency=account.currency), account=account)
    use(account, metric, quantity)
    return issue_for(account)


class Unreliable(SandboxPortal):
    """A portal that is really asked, and whose answers are lost: those of the calls named, once each."""

    def __init__(self, directory: Path, *, lost: tuple[str, ...] = ()) -> None:
        super().__init__(directory)
        self.calls: list[str] = []
        self._lost = list(lost)

    def register(self, document: Mapping[str, Any]) -> Registered:
        """Register it, and perhaps not say so."""
        self.calls.append("register")
        return self._answer("register", super().register(document))

    def find(self, irn: str, *, gstin: str) -> Registered | None:
        """Look it up."""
        self.calls.append("find")
        return self._answer("find", super().find(irn, gstin=gstin))

    def cancel(self, irn: str, *, gstin: str, reason: int, remark: str) -> datetime:
        """Cancel it, and perhaps not say so."""
        self.calls.append("cancel")
        return self._answer("cancel", super().cancel(irn, gstin=gstin, reason=reason, remark=remark))

    def _answer(self, call: str, answer: T) -> T:
        if call in self._lost:
            self._lost.remove(call)
            raise PortalUnavailable("The portal did not answer.")
        return answer

"""Who else gets a customer's documents, and where invoices are paid by UPI."""

from dataclasses import replace

import pytest

from app.domain.errors import RuleBroken
from app.errors import DomainError
from app.services import customers
from app.services.invoice_document import invoice_context
from tests import factories as make
from tests.services.invoicing import issue_for, priced, use


def test_the_addresses_in_copy_are_kept_each_once(session):
    customer = make.make_customer(billing_emails=["cfo@asha.in", "tax@asha.in", "cfo@asha.in"])
    assert customer.billing_emails == ["cfo@asha.in", "tax@asha.in"]


@pytest.mark.parametrize("given", ["cfo@asha.in", ["not an address"], ["a@b.in"] * 11])
def test_what_is_no_list_of_addresses_is_refused_and_nothing_changes(session, given):
    customer = make.make_customer(billing_emails=["cfo@asha.in"])
    with pytest.raises((DomainError, RuleBroken)):
        customers.update(customer, {"billing_emails": given}, actor=make.ACTOR)
    assert customer.billing_emails == ["cfo@asha.in"]


@pytest.mark.parametrize("upi", ["", "otpless@hdfcbank"])
def test_an_invoice_says_where_it_is_paid_by_upi_if_there_is_such_an_address(app, monkeypatch, upi):
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], upi_id=upi))
    make.make_seller()
    make.make_tax_rate()
    metric = make.make_metric()
    account = priced(make.per_unit(metric, "10")).account
    use(account, metric, 2)
    invoice = issue_for(account)
    assert invoice.snapshot.get("upi", "") == upi
    link = invoice_context(invoice.snapshot)["upi"]
    assert link.startswith("upi://pay?pa=otpless@hdfcbank&") == bool(upi)
    assert ("am=24.00&cu=INR" in link) == bool(upi)

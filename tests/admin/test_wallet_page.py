"""The page of a wallet: figures, the balance by day, movements down to their usage, and its chain."""

import json
import re
from decimal import Decimal
from html import unescape

from app import clock
from app.db import db
from app.permissions import Role
from app.services import wallets
from tests.admin.conftest import Desk, Person
from tests.factories import ACTOR, make_wallet
from tests.services.metered import a_rupee_each, add_usage, meter
from tests.services.tampering import power

RUPEE = '<span class="money">₹1.00</span>'


def test_a_wallet_tells_its_figures_and_its_balance_by_day(desk: Person) -> None:
    wallet = make_wallet("250", at=clock.now(), overdraft_limit="100")
    page = desk.text(f"/admin/wallets/details/?id={wallet.id}")
    for label, figure in (("Balance", "250"), ("Held", "0"), ("Available", "350"), ("Owed", "0")):
        assert re.search(rf"{label}</div> <div class=\"stat-value\"><span[^>]*>₹{figure}\.00<", page), label
    found = re.search(r'data-chart="([^"]+)"', page)
    assert found
    chart = json.loads(unescape(found[1]))
    assert (chart["format"], len(chart["labels"])) == ("INR", 90)
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]{2}", chart["labels"][-1])
    values = chart["series"][0]["values"]
    assert (Decimal(values[-1]), Decimal(values[0])) == (250, 0)
    assert "as a table</summary>" in page


def test_a_deduction_leads_to_its_tiers_its_events_and_its_journal(desk: Person) -> None:
    _, wallet, metric = a_rupee_each("100")
    add_usage(wallet.account, metric, 3)
    meter()
    page = desk.text(f"/admin/wallets/details/?id={wallet.id}")
    assert f"<td>{metric.code}</td>" in page
    assert f"of the period so far, {RUPEE} each" in page
    assert (
        f"/admin/usage-events/?account={wallet.account_id}&amp;metric={metric.id}"
        "&amp;occurred_at_from=2026-10-01&amp;occurred_at_until=2026-10-31"
    ) in page
    transaction = re.search(r"/admin/wallet-transactions/details/\?id=[0-9a-f-]{36}", page)
    journal = re.search(r"/admin/journals/details/\?id=[0-9a-f-]{36}", page)
    assert transaction
    assert journal
    assert f"of the period so far, {RUPEE} each" in desk.text(transaction[0])
    assert desk.get(journal[0]).status_code == 200


def test_the_chain_is_checked_on_demand(desk: Person, at_desk: Desk) -> None:
    wallet = make_wallet("250")
    wallets.credit(wallet, "10", at=clock.now(), actor=ACTOR, reason="Because")
    path = f"/admin/wallets/operation/check_chain/?id={wallet.id}"
    assert "2 links recomputed: the chain is whole." in desk.text(desk.post(path).location)
    power(db.session(), "UPDATE journals SET reason = 'Other'")
    answer = desk.post(path)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "2 links recomputed, and the chain is broken. Link 1 (posting" in text
    assert "Its journal or one of its sides was changed." in text
    assert at_desk(Role.support).post(path).status_code == 403

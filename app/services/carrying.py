"""What an invoice gives back beyond its charges is carried on, so that no total is below zero.

A fee paid in advance whose subscription ends, or usage taken back after it was billed, may come to more than
an invoice asks for. A line of kind `carried` then brings each tax rate that is below nothing up to it, and
issuing the invoice keeps that amount for the customer: a credit that reduces the next invoices before tax,
or, for who pays in advance, money in the wallet. The wallet gets the tax of the line as well: it was paid,
and is asked for again with the usage that the wallet pays.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from app.db import db
from app.domain.invoicing import Line, describe
from app.domain.money import plain
from app.domain.tax import Supply
from app.ids import new_id
from app.models import Account, AccountCredit, Invoice, Wallet
from app.models.customers import BillingMode
from app.models.invoices import LineKind
from app.models.wallets import WalletStatus
from app.permissions import Actor
from app.services import audit, invoice_lines, wallets
from app.services.charges import Due, Extra, explained, period_between
from app.services.invoice_lines import Assessed
from app.services.taxes import Rates

NOTHING = Decimal(0)
TO_INVOICES = "Carried to your next invoices"
TO_WALLET = "Put into your wallet, with its tax"


def make(
    account: Account,
    dues: Sequence[Due],
    manual: Sequence[Line],
    extras: Sequence[Extra],
    *,
    supply: Supply,
    rates: Rates,
) -> Assessed:
    """Return the lines and sums of a document as `invoice_lines.make` does, with what it gives back beyond
    its charges carried on.

    Raises:
        Conflict: no tax rate is entered for a service code.
    """
    currency = account.currency
    made = invoice_lines.make(dues, manual, extras, supply=supply, rates=rates, currency=currency)
    carried = _over(account, made, dues)
    if not carried:
        return made
    return invoice_lines.make(
        dues, manual, [*extras, *carried], supply=supply, rates=rates, currency=currency
    )


def keep(invoice: Invoice, *, at: datetime, actor: Actor) -> None:
    """Give the account what an invoice that is being issued carries on: once, as each line names the wallet,
    or the credit that is made here.
    """
    lines = [line for line in invoice.lines if line.kind is LineKind.carried]
    if not lines:
        return
    account = db.session.get_one(Account, invoice.account_id)
    period = period_between(invoice.period_start, invoice.period_end, account.timezone)
    reason = describe("Given back beyond the charges", period)
    amount = sum((line.amount for line in lines), NOTHING)
    wallet = db.session.get(Wallet, lines[0].source_id)
    if wallet is not None:
        tax = sum((Decimal(tax["amount"]) for line in lines for tax in line.taxes), NOTHING)
        wallets.credit(wallet, amount + tax, at=at, actor=actor, reason=reason, reference=str(invoice.id))
        return
    made = AccountCredit(
        id=lines[0].source_id,
        account=account,
        amount=amount,
        remaining=amount,
        currency=invoice.currency,
        reason=reason,
    )
    db.session.add(made)
    summary = f"{plain(amount)} {invoice.currency} is carried to the next invoices of {account.name}"
    after = {"amount": amount, "reason": reason, "invoice_id": invoice.id}
    audit.record(actor, "credit.carried", made, summary=summary, at=at, after=after)


def _over(account: Account, made: Assessed, dues: Sequence[Due]) -> list[Extra]:
    """Return the lines that bring each tax rate up to nothing, where the document asks for less than nothing
    beside what a wallet has paid."""
    from_wallet = [each.from_wallet for each in dues] + [NOTHING] * (len(made.lines) - len(dues))
    if made.totals.total >= sum(from_wallet, NOTHING):
        return []
    asked: defaultdict[Decimal, list[tuple[Decimal, str]]] = defaultdict(list)
    for line, paid in zip(made.lines, from_wallet, strict=True):
        asked[line.tax_rate].append((line.amount - paid, line.sac))
    wallet = _wallet_of(account)
    source_id = wallet.id if wallet else new_id()
    found = []
    for _, rows in sorted(asked.items()):
        rest = -sum((amount for amount, _ in rows), NOTHING)
        if rest > 0:
            words = TO_WALLET if wallet else TO_INVOICES
            row = explained("carried", rest)
            found.append(Extra(LineKind.carried, words, rest, min(rows)[1], [row], source_id))
    return found


def _wallet_of(account: Account) -> Wallet | None:
    if account.billing_mode is not BillingMode.prepaid:
        return None
    wallet = wallets.find_for(account)
    return None if wallet is None or wallet.status is WalletStatus.closed else wallet

"""Taking what the lines of a draft rest on, when it becomes an invoice: nothing of a contract is used twice.

Every count and every remainder moves by a conditional update in the transaction that issues the invoice. A
draft that somebody else has overtaken is refused, and drafted again.
"""

from decimal import Decimal

from app.db import lock
from app.errors import Conflict
from app.models import Invoice, InvoiceLine, Subscription
from app.models.invoices import LineKind
from app.services import commitments
from app.services.charges import invoiced_before

NOTHING = Decimal(0)
OVERTAKEN = "Make the draft again."


def take(invoice: Invoice) -> None:
    """Note that the contract lines of an invoice are used, or see that its true-ups still hold.

    Raises:
        Conflict: another invoice has used it since the draft was made.
    """
    _check_true_ups(invoice)


def _lines(invoice: Invoice, kind: LineKind) -> list[InvoiceLine]:
    return [line for line in invoice.lines if line.kind is kind]


def _check_true_ups(invoice: Invoice) -> None:
    lines = _lines(invoice, LineKind.commitment)
    if not lines:
        return
    lock(Subscription, {line.subscription_id for line in lines})
    asked = commitments.asked(invoice.account_id)
    for line in lines:
        assert line.subscription_id
        assert line.period_start
        if asked.get((line.subscription_id, line.period_start), NOTHING) != invoiced_before(line.breakdown):
            raise Conflict(f"{line.description}: another invoice has billed it since. {OVERTAKEN}")

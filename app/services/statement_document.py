"""What the PDF of a statement shows: the movements of a wallet, or what a customer was billed and has paid.

A statement is not issued, it is drawn up: its content is worked out anew each time, and the same books have
the same content. Amounts are decimal strings with their sign, days ISO 8601:

    kind title number currency issued_on     `number` is the period in words
    seller buyer                             as in `app.services.invoice_document`
    account                                  whose wallet; empty for a customer's statement
    opening closing credits debits           the sums
    rows [{on, what, detail, amount, balance}]
"""

from decimal import Decimal
from typing import Any

from app.formatting import format_date, format_money
from app.services.document_kinds import Snapshot, document_kind

# The sums and the columns as the reader of each kind calls them.
WALLET_WORDS = {"credits": "Money in", "debits": "Money out", "opening": "Opening", "closing": "Closing"}
CUSTOMER_WORDS = {
    "credits": "Billed",
    "debits": "Paid or credited",
    "opening": "Owed before",
    "closing": "Owed now",
}
SUMS = ("opening", "credits", "debits", "closing")


@document_kind("wallet_statement", template="statement.html")
def wallet_statement(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the statement of a wallet shows."""
    return _statement(snapshot, WALLET_WORDS)


@document_kind("customer_statement", template="statement.html")
def customer_statement(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the statement of a customer shows: invoices add to what is owed, money takes off."""
    return _statement(snapshot, CUSTOMER_WORDS)


def _statement(snapshot: Snapshot, words: dict[str, str]) -> dict[str, Any]:
    currency = snapshot["currency"]

    def money(amount: str) -> str:
        return format_money(amount, currency)

    return {
        "statement": snapshot,
        "sums": [(words[name], money(snapshot[name])) for name in SUMS],
        "columns": (words["credits"], words["debits"], "Balance"),
        "opening": money(snapshot["opening"]),
        "rows": [
            {
                "on": format_date(row["on"]),
                "what": row["what"],
                "detail": row["detail"],
                "more": money(row["amount"]) if Decimal(row["amount"]) > 0 else "",
                "less": money(row["amount"].lstrip("-")) if Decimal(row["amount"]) < 0 else "",
                "balance": money(row["balance"]),
            }
            for row in snapshot["rows"]
        ],
    }

"""What columns, models and empty lists are called on a page."""

from admin_views.naming import in_sentence, label_of, noun_of
from app.models import Account, ApiKey, EInvoice, TdsReceivable, Wallet
from app.templating import words
from tests.admin.conftest import Person


def test_names_and_labels_read_as_people_say_them() -> None:
    assert [
        label_of(name)
        for name in ("issued_on", "created_at", "account.customer", "gstin", "address_line1", "extra")
    ] == ["Issued", "Created", "Customer", "GSTIN", "Address line 1", "Metadata"]
    assert (noun_of(Wallet), noun_of(Account)) == ("wallet", "account")


def test_an_abbreviation_keeps_its_capitals_wherever_it_stands() -> None:
    nouns = [noun_of(model) for model in (ApiKey, EInvoice, TdsReceivable)]
    assert nouns == ["API key", "e-invoice", "TDS receivable"]
    assert [words(noun) for noun in nouns] == ["API key", "E-invoice", "TDS receivable"]
    headings = ("API keys", "E-invoices", "Number series", "IP address", "Name")
    assert [in_sentence(heading) for heading in headings] == [
        "API keys",
        "e-invoices",
        "number series",
        "IP address",
        "name",
    ]
    assert [words(name) for name in ("gst", "income_tax", "csv", "tds_receivable", "COMPLETED")] == [
        "GST",
        "Income tax",
        "CSV",
        "TDS receivable",
        "Completed",
    ]


def test_an_empty_list_says_what_there_is_none_of_and_what_to_do(desk: Person) -> None:
    for path, title in (
        ("tds-receivables", "No TDS receivables yet"),
        ("api-keys", "No API keys yet"),
        ("e-invoices", "No e-invoices yet"),
        ("verify", "The books were not verified yet"),
        ("outbox-messages", "Nothing was promised yet"),
    ):
        assert title in desk.text(f"/admin/{path}/")
    screens = desk.client.application.extensions["admin_screens"].values()
    listed = [one for one in screens if one.in_sidebar and one.category != "Other data"]
    assert [one.title for one in listed if not one.empty] == []

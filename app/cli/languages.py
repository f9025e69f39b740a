"""`flask languages`: bring the catalogues up to date with what the templates and the screens say."""

from collections.abc import Iterator

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po
from flask import Flask, current_app
from flask.cli import with_appcontext

from app import languages
from app.models.customers import BillingMode
from app.models.vouchers import VoucherKind
from app.models.wallets import TransactionKind
from app.permissions import Role
from app.services.money_operations import operations
from app.services.notifications import KINDS
from app.services.snapshots import BILL_OF_SUPPLY
from app.services.snapshots import TITLES as INVOICE_TITLES
from app.services.vouchers import TITLES as VOUCHER_TITLES
from app.templating import STATUS_LOOKS, words
from app.web import PACKAGE, TEMPLATES

KEYWORDS = {"_": None, "gettext": None, "sentence": None, "ngettext": (1, 2)}
WIDTH = 110
# What services say in a word and templates show by the filter `translated`.
SAID = (
    "none",
    "Everything, with people, keys and queues",
    "Customers, plans, wallets, invoices and payments",
    "Reads the back office and changes nothing",
    "is overdue",
    "is due soon",
    "was issued",
    "The balance is used up and usage is owed",
    "The balance is below its threshold",
    "Drafted",
    "Issued",
    "Paid from the wallet",
    "Registered as e-invoice",
    "E-invoice cancelled",
    "Mailed",
    "Payment received",
    "Was due",
    "Due",
    "Plan version",
    "Price",
    "Period",
    "Agreed",
    "Days",
    "Tax",
    "Price of a whole period",
    "Fraction of the period",
    "Step",
    "Job queues",
    "Sign in to continue.",
    "There is no such page.",
    "There is no such invoice.",
    "There is no such wallet.",
    "There is no such payment.",
    "There is no such voucher.",
    "There is no such API key.",
    "The portal is for customers. Staff find the same figures in the back office.",
    "In the portal this page is for the people of the customer, in the back office for super admins.",
    "This key belongs to our services. Ask us to change it.",
    "This key has ended. Make a new one.",
    "The last day is before the first.",
    "Choose a year at most.",
    "The amount may not be negative.",
    "The amount must be more than zero.",
    "A text is needed.",
    "A value is needed.",
    "Choose one of your accounts.",
    "Choose what the key may read.",
    "A name of 1 to 200 characters is needed.",
    "Write the number with its country code: +919876543210.",
)


@click.command("languages")
@with_appcontext
def catalogues() -> None:
    """Add new messages to every catalogue and take out those that nobody says any more."""
    source = messages(current_app._get_current_object())  # type: ignore[attr-defined]
    for language in languages.TONGUES:
        catalogue = languages.read_catalogue(language)
        catalogue.update(source, no_fuzzy_matching=True)
        with languages.file_of(language).open("wb") as file:
            write_po(file, catalogue, width=WIDTH, sort_output=True, ignore_obsolete=True, no_location=True)
        missing = [message.id for message in catalogue if message.id and not message.string]
        click.echo(f"{language}: {len(catalogue)} messages, {len(missing)} without a translation")


def messages(app: Flask) -> Catalog:
    """Return every message there is: those of the templates and of the code, and the words that are data,
    such as statuses and the names of the screens.
    """
    catalogue = Catalog()
    for message in _literals():
        catalogue.add(message)
    for word in _words(app):
        catalogue.add(word)
    return catalogue


def _literals() -> Iterator[str | tuple[str, ...]]:
    jinja = {"extensions": "jinja2.ext.i18n", "newstyle_gettext": "true", "silent": "false"}
    for folder, pattern in (
        (TEMPLATES, "**.html"),
        (TEMPLATES / "mail", "**.txt"),
        (PACKAGE, "**.py"),
        (PACKAGE.parent / "admin_views", "**.py"),
    ):
        method = "python" if pattern == "**.py" else "jinja2"
        found = extract_from_dir(
            str(folder),
            [(pattern, method)],
            {pattern: jinja if method == "jinja2" else {}},
            keywords=KEYWORDS,
        )
        for _file, _line, message, _comments, _context in found:
            yield message


def _words(app: Flask) -> Iterator[str]:
    yield from SAID
    for status in STATUS_LOOKS:
        yield words(status)
    for names in (Role, TransactionKind, VoucherKind, BillingMode):
        yield from (words(name) for name in names)
    yield from (kind.title for kind in KINDS.values())
    yield from (one.label for one in operations.values())
    yield from (BILL_OF_SUPPLY, *INVOICE_TITLES.values(), *VOUCHER_TITLES.values())
    for view in app.extensions["admin_screens"].values():
        if view.in_sidebar and view.category != "Other data":
            yield view.category
            yield view.title
            if view.can_create:
                yield view.noun
    for view in app.extensions["admin_pages"]:
        yield from filter(None, (view.category, view.name))

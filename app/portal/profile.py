"""The customer's own profile: who it is, where documents go, and what of that it keeps up to date itself."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from app.db import db, in_transaction
from app.errors import DomainError
from app.models import Customer
from app.portal.forms import problems_of
from app.portal.guard import blueprint, own_id
from app.services import customers, own

# With the copies of documents, what `customers.OWN_TO_CHANGE` allows.
TEXTS = ("email", "phone", "address_line1", "address_line2", "city", "postal_code")


@blueprint.get("/profile")
def show_profile() -> str:
    """Show the profile with the fields that may be changed."""
    customer = db.session.get_one(Customer, own_id())
    stored = {name: getattr(customer, name) or "" for name in TEXTS}
    return _page(customer, {**stored, "billing_emails": "\n".join(customer.billing_emails)})


@blueprint.post("/profile")
def save_profile() -> Response | tuple[str, int]:
    """Store the contacts; issued invoices keep what they say."""
    given = {name: request.form.get(name, "") for name in (*TEXTS, "billing_emails")}
    values = {**given, "billing_emails": given["billing_emails"].split()}

    def change() -> None:
        customers.update(db.session.get_one(Customer, own_id()), values, actor=current_user.actor())

    try:
        in_transaction(change)
    except DomainError as error:
        customer = db.session.get_one(Customer, own_id())
        return _page(customer, given, problems_of(error)), error.status
    flash(gettext("The profile was saved. Invoices from now on carry it."), "success")
    return redirect(url_for("portal.show_profile"), code=303)


def _page(customer: Customer, values: dict[str, str], problems: dict[str, str] | None = None) -> str:
    return render_template(
        "portal/profile.html",
        customer=customer,
        accounts=own.accounts(customer.id),
        values=values,
        problems=problems or {},
    )

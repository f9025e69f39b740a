"""Paying: an invoice's payment begins here, and every payment's page tells how it stands."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.errors import DomainError
from app.models.payments import PaymentStatus
from app.portal.gateways import offered
from app.portal.guard import blueprint, own_id
from app.services import own, payments

WAITING = (PaymentStatus.created, PaymentStatus.pending, PaymentStatus.unknown)


@blueprint.get("/invoices/<uuid:invoice_id>/pay")
def ask_payment(invoice_id: UUID) -> str:
    """Ask by which gateway an invoice shall be paid."""
    invoice = own.get_invoice(own_id(), invoice_id)
    return render_template("portal/pay.html", invoice=invoice, gateways=offered(invoice.currency))


@blueprint.post("/invoices/<uuid:invoice_id>/pay")
def pay_invoice(invoice_id: UUID) -> Response:
    """Begin the payment of all that is due and lead to the gateway's page."""
    invoice = own.get_invoice(own_id(), invoice_id)
    try:
        payment = payments.start_invoice_payment(
            invoice, gateway=request.form.get("gateway", ""), actor=current_user.actor()
        )
    except DomainError as error:
        flash(error.message, "error")
        return redirect(url_for("portal.show_invoice", invoice_id=invoice_id), code=303)
    return redirect(url_for("portal.show_payment", payment_id=payment.id, go=1), code=303)


@blueprint.get("/payments/<uuid:payment_id>")
def show_payment(payment_id: UUID) -> str:
    """Show how a payment stands; `go` leads on to the gateway's page while it waits.

    The page leads there by itself instead of a redirect: a browser refuses a form that is redirected to
    another site.
    """
    payment = own.get_payment(own_id(), payment_id)
    waits = payment.status in WAITING
    leads_on = bool(waits and payment.checkout_url and request.args.get("go"))
    return render_template("portal/payment.html", payment=payment, waits=waits, leads_on=leads_on)

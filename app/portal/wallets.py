"""The customer's wallets: the balance, every transaction with its explanation, and topping up."""

from uuid import UUID, uuid4

from flask import redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.domain.numbering import ist_date
from app.errors import DomainError
from app.models import Wallet
from app.portal.gateways import offered
from app.portal.guard import blueprint, own_id
from app.services import advance_tax, grants, own, payments, wallet_history
from app.services.advance_tax import Split
from app.services.wallet_rules import read_amount

PRESETS = {"INR": ("1000", "5000", "10000", "25000"), "IDR": ("500000", "2000000", "5000000")}
OTHER_PRESETS = ("50", "100", "250", "500")


@blueprint.get("/wallets")
def list_wallets() -> str | Response:
    """Show the wallets; where there is one only, show that."""
    wallets = own.wallets(own_id())
    if len(wallets) == 1:
        return redirect(url_for("portal.show_wallet", wallet_id=wallets[0].id))
    return render_template("portal/wallets.html", wallets=wallets, own=own)


@blueprint.get("/wallets/<uuid:wallet_id>")
def show_wallet(wallet_id: UUID) -> str:
    """Show a wallet and its transactions, the newest first."""
    wallet = own.get_wallet(own_id(), wallet_id)
    page = own.transactions(wallet, after=request.args.get("after", type=UUID))
    live = grants.live(wallet, clock.now())
    parts = wallet_history.explain(wallet, page.rows)
    return render_template("portal/wallet.html", wallet=wallet, page=page, moved=parts, own=own, grants=live)


@blueprint.get("/wallets/<uuid:wallet_id>/top-up")
def ask_top_up(wallet_id: UUID) -> str:
    """Ask how much to put into a wallet."""
    return _form(wallet_id)


@blueprint.post("/wallets/<uuid:wallet_id>/top-up")
def top_up(wallet_id: UUID) -> str | Response | tuple[str, int]:
    """Show what is to be paid with its tax; once that was seen, begin the payment and lead to its page."""
    wallet = own.get_wallet(own_id(), wallet_id)
    form = request.form
    try:
        split = _split(wallet, form.get("amount", ""))
        if split.tax and form.get("seen") != str(split.amount):
            return _form(wallet_id, amount=form.get("amount", ""), split=split)
        payment = payments.start_top_up(
            wallet,
            form.get("amount", "").replace(",", "").strip(),
            gateway=form.get("gateway", ""),
            actor=current_user.actor(),
            key=form.get("attempt") or None,
        )
    except DomainError as error:
        return _form(wallet_id, amount=form.get("amount", ""), problem=error.message), error.status
    return redirect(url_for("portal.show_payment", payment_id=payment.id, go=1), code=303)


def _split(wallet: Wallet, amount: str) -> Split:
    wanted = read_amount(amount.replace(",", "").strip(), wallet)
    return advance_tax.to_collect(wallet.account, wanted, on=ist_date(clock.now()))


def _form(wallet_id: UUID, *, amount: str = "", problem: str = "", split: Split | None = None) -> str:
    wallet = own.get_wallet(own_id(), wallet_id)
    return render_template(
        "portal/top_up.html",
        wallet=wallet,
        own=own,
        gateways=offered(wallet.currency),
        presets=PRESETS.get(wallet.currency, OTHER_PRESETS),
        amount=amount,
        problem=problem,
        split=split,
        bears_tax=advance_tax.bearing_of(wallet.account, ist_date(clock.now())) is not None,
        attempt=uuid4(),
    )

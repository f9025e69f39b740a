"""The attempts of automatic top-ups: a saved way to pay is charged, else the customer is sent a page.

One payment at a time: a second one begins when the first can no longer take money. Each step commits its
payment before the gateway hears of it, under the wallet's lock; what a crash leaves is taken up by the
reconciler of payments. A step that brought nothing is looked at again after the pauses of the settings; after
the last the customer is told, and nothing begins until money came.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.config import current_settings
from app.db import db, in_transaction, lock
from app.domain.money import quantize
from app.errors import DomainError, GatewayRefused, Unavailable
from app.gateways.payments import open_gateway, payment_gateways
from app.models import AutoTopUp, OutboxMessage, Payment, Wallet
from app.models.alerts import AutoTopUpStatus
from app.models.payments import PaymentStatus
from app.sentences import Amount, Argument, sentence
from app.services import (
    alerts,
    audit,
    auto_top_ups,
    intents,
    notifications,
    outbox,
    payment_methods,
    payments,
)
from app.services.auto_top_ups import SYSTEM
from app.services.told import Fact

ASK = "auto_top_up.ask"
BATCH = 100
NOBODY_PAID = "Nobody paid."


class NoPageYet(Unavailable):
    """The gateway has not opened the page that the customer is to be sent."""


def has_due() -> bool:
    """True when a top-up is to be begun or looked at now."""
    return bool(_due(clock.now(), limit=1))


def run() -> dict[str, int]:
    """Make the next step of every top-up that is due; call it with no transaction open."""
    counts = {"looked_at": 0, "begun": 0}
    for top_up_id in in_transaction(lambda: _due(clock.now(), limit=BATCH)):
        counts["looked_at"] += 1
        payment_id = in_transaction(lambda due=top_up_id: step(due, at=clock.now()))  # type: ignore[misc]
        if payment_id is not None:
            counts["begun"] += 1
            payments.open_checkout(payment_id)
    return counts


def step(top_up_id: UUID, *, at: datetime) -> UUID | None:
    """Make the next step of a top-up and return the payment that its gateway is to hear of, if any.

    Doing it twice is one step: the second finds that nothing is due.
    """
    (wallet,) = lock(Wallet, [db.session.get_one(AutoTopUp, top_up_id).wallet_id])
    (top_up,) = lock(AutoTopUp, [top_up_id])
    if top_up.next_at is None or top_up.next_at > at:
        return None
    if not auto_top_ups.is_wanted(wallet, alerts.left_in(wallet)):
        auto_top_ups.close(wallet, AutoTopUpStatus.cancelled, at)
        return None
    payment, pauses = top_up.payment, _pauses()
    if payment is not None and payment.status is PaymentStatus.succeeded:
        top_up.attempts = 0
    if top_up.attempts > len(pauses) or (payment and payment.status is PaymentStatus.parked):
        _give_up(top_up, wallet, at)
        return None
    top_up.attempts += 1
    top_up.next_at = at + pauses[min(top_up.attempts, len(pauses)) - 1]
    if payment is not None and _can_still_be_paid(payment, at):
        if payment.status is PaymentStatus.failed:
            _ask(payment, top_up)
        return None
    return _begin(top_up, wallet, at)


def _due(at: datetime, *, limit: int) -> Sequence[UUID]:
    waiting = (AutoTopUp.status == AutoTopUpStatus.waiting, AutoTopUp.next_at <= at)
    return db.session.scalars(
        select(AutoTopUp.id).where(*waiting).order_by(AutoTopUp.next_at).limit(limit)
    ).all()


def _pauses() -> list[timedelta]:
    return [timedelta(minutes=int(pause)) for pause in current_settings().auto_top_up_retry_minutes]


def _can_still_be_paid(payment: Payment, at: datetime) -> bool:
    """Tell whether money may still come from a payment, so that a second one could take it twice."""
    if payment.status in intents.OPEN:
        return True
    has_page = payment.status is PaymentStatus.failed and payment.checkout_url is not None
    return has_page and at < payment.created_at + payments.LIFETIME


def _begin(top_up: AutoTopUp, wallet: Wallet, at: datetime) -> UUID | None:
    """Write the intent of the next payment; the key is the payment before it, so one step makes one."""
    assert wallet.auto_top_up
    method = payment_methods.latest(wallet.account_id)
    before = top_up.payment
    top_up.error = before.reason if before else None
    if before is not None and before.method_id is not None and top_up.attempts == 2:
        _tell_decline(top_up, wallet, at)
    try:
        payment_id = intents.begin_top_up(
            wallet.id,
            wallet.auto_top_up["amount"],
            gateway=method.gateway if method else _gateway_for(wallet),
            actor=SYSTEM,
            key=f"{top_up.id}:{before.id if before else ''}",
            method=method,
        )
    except DomainError as error:
        top_up.error = error.message
        return None
    top_up.payment_id = payment_id
    if method is None:
        _ask(db.session.get_one(Payment, payment_id), top_up)
    return payment_id


def _gateway_for(wallet: Wallet) -> str:
    """Return the gateway that filled the wallet last, else one that is set up, at best one that keeps cards.

    Raises:
        GatewayRefused: none is.
    """
    paid = select(Payment.gateway).where(
        Payment.wallet_id == wallet.id, Payment.status == PaymentStatus.succeeded
    )
    last = db.session.scalar(paid.order_by(Payment.id.desc()).limit(1))
    offered = []
    for name in payment_gateways:
        with suppress(GatewayRefused):
            offered.append(open_gateway(name, current_settings()))
    hosted = [gateway for gateway in offered if gateway.hosted]
    if not hosted:
        raise GatewayRefused("No payment gateway is set up.")
    return max(hosted, key=lambda gateway: (gateway.name == last, gateway.keeps_methods)).name


def _ask(payment: Payment, top_up: AutoTopUp) -> None:
    """Promise the customer the page of a payment; the gateway opens it after the commit."""
    outbox.promise(ASK, f"{payment.id}:{top_up.attempts}", {"payment_id": str(payment.id)})


def _give_up(top_up: AutoTopUp, wallet: Wallet, at: datetime) -> None:
    before, payment = top_up.status, top_up.payment
    top_up.status, top_up.next_at = AutoTopUpStatus.gave_up, None
    top_up.error = (payment.reason if payment else None) or top_up.error or NOBODY_PAID
    summary = f"Automatic top-up of {wallet.account.name} given up: {top_up.error}"
    after = {"status": top_up.status}
    audit.record(
        SYSTEM, "auto_top_up.given_up", top_up, summary=summary, at=at, before={"status": before}, after=after
    )
    notifications.notify(
        wallet.account.customer,
        "auto_top_up",
        title=sentence("%(account)s: the automatic top-up did not succeed", account=wallet.account.name),
        text=sentence(
            "We tried several times and stop now. Top up by hand; automatic top-ups go on after that."
        ),
        about=wallet,
        at=at,
        tone="alert",
        facts=[*_facts(wallet), (sentence("Reason"), _why(top_up.error))],
    )


def _tell_decline(top_up: AutoTopUp, wallet: Wallet, at: datetime) -> None:
    notifications.notify(
        wallet.account.customer,
        "auto_top_up",
        title=sentence("%(account)s: the automatic top-up was declined", account=wallet.account.name),
        text=sentence("We try again by ourselves. If you expect it to fail again, top up by hand."),
        about=wallet,
        at=at,
        facts=[*_facts(wallet), (sentence("Reason"), _why(top_up.error))],
    )


def _why(reason: str | None) -> Argument:
    """Return why it failed: our own word where the gateway gave none."""
    if reason == NOBODY_PAID:
        return sentence("Nobody paid.")
    return reason or sentence("Declined")


def _facts(wallet: Wallet) -> list[Fact]:
    assert wallet.auto_top_up
    amount = Decimal(wallet.auto_top_up["amount"])
    left = quantize(alerts.left_in(wallet), wallet.currency)
    return [
        (sentence("Amount"), Amount(amount, wallet.currency)),
        (sentence("Left"), Amount(left, wallet.currency)),
    ]


@outbox.handler(ASK)
def _send_page(message: OutboxMessage) -> None:
    """Tell the customer of the page; where there is none yet, the promise is kept later."""
    payment = db.session.get_one(Payment, UUID(message.payload["payment_id"]))
    wallet = payment.wallet
    if wallet is None or not wallet.auto_top_up or payment.status not in payments.ASKED:
        return
    if payment.checkout_url is None:
        if payment.status is PaymentStatus.failed:
            return
        raise NoPageYet("The gateway has not opened its page yet.")
    name, declined = wallet.account.name, payment.status is PaymentStatus.failed
    declined_title = sentence("%(account)s: the payment was declined", account=name)
    asked = sentence(
        "The balance fell below the threshold of your automatic top-up. Pay on the gateway's page."
    )
    notifications.notify(
        wallet.account.customer,
        "auto_top_up",
        title=declined_title if declined else sentence("%(account)s: please top up", account=name),
        text=payment.reason if declined and payment.reason else asked,
        about=wallet,
        at=clock.now(),
        facts=_facts(wallet),
        url=payment.checkout_url,
    )

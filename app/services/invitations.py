"""The mail to somebody who was added: what they were given, by whom, and where to sign in.

It is promised in the transaction that adds them and goes out after it, in their language where it is known.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.config import current_settings
from app.db import db
from app.gateways.mail import Mail, open_mailer
from app.languages import ENGLISH, words_of
from app.models import OutboxMessage, User
from app.permissions import Actor
from app.services import branding, mail_pages, outbox

MAIL = "user.invitation"


@dataclass(frozen=True, slots=True)
class Invitation:
    """How the mail to a person stands: promised at an instant, and sent at another once a server took it."""

    promised_at: datetime
    sent_at: datetime | None
    error: str | None


def promise(user: User, *, actor: Actor) -> None:
    """Promise the mail to somebody who was just added by `actor`; once for ever for a person."""
    db.session.flush()
    outbox.promise(MAIL, str(user.id), {"user_id": str(user.id), "by": actor.label})


def find(user: User) -> Invitation | None:
    """Return the mail to a person, None where there was none: they were added by a command or came by the
    identity provider."""
    told = OutboxMessage.created_at, OutboxMessage.done_at, OutboxMessage.error
    chosen = select(*told).where(OutboxMessage.kind == MAIL, OutboxMessage.key == str(user.id))
    row = db.session.execute(chosen).first()
    return None if row is None else Invitation(*row)


def compose(user: User, by: str, *, key: str) -> Mail:
    """Return the mail: what a customer's person sees in the portal, or that staff work in the back office."""
    language, brand = user.locale or ENGLISH, branding.current()
    subject = words_of(language).gettext("Your access to %(product)s") % {"product": brand.name}
    context = {
        "subject": subject,
        "name": user.name,
        "by": by,
        "email": user.email,
        "customer": user.customer.name if user.customer else None,
        "url": f"{current_settings().public_url.rstrip('/')}/sign-in",
        "brand": brand,
    }
    text, html = mail_pages.render("invitation", language, context)
    return Mail(key=key, to=user.email, subject=subject, text=text, html=html)


@outbox.handler(MAIL)
def _send(message: OutboxMessage) -> None:
    """Send the mail, unless the access was ended before it went."""
    user = db.session.get_one(User, UUID(message.payload["user_id"]))
    if user.active:
        mail = compose(user, message.payload["by"], key=f"{MAIL}:{message.key}")
        open_mailer(current_settings()).send(mail)

"""The mail to somebody who was added: what they were given, by whom, and where to sign in.

It is promised in the transaction that adds them and goes out after it, in their language where it is known.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import select

from app.config import current_settings
from app.db import db
from app.gateways.mail import Mail, open_mailer
from app.languages import ENGLISH, direction_of, words_of
from app.models import OutboxMessage, User
from app.permissions import Actor
from app.services import branding, outbox

MAIL = "user.invitation"
TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"
FORMS = ("txt", "html")


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
    language = user.locale or ENGLISH
    words, brand = words_of(language), branding.current()
    home = current_settings().public_url.rstrip("/")
    names = {"name": user.name, "by": by, "product": brand.name, "email": user.email}
    if user.customer is None:
        given = words.gettext("%(by)s gave you access to the back office of %(product)s.")
    else:
        names["customer"] = user.customer.name
        given = words.gettext(
            "%(by)s gave you access to the portal of %(product)s: the invoices, the usage and the wallets of"
            " %(customer)s."
        )
    context = {
        "subject": words.gettext("Your access to %(product)s") % names,
        "hello": words.gettext("Hello, %(name)s") % names,
        "given": given % names,
        "how": words.gettext("Sign in with your address %(email)s.") % names,
        "action": words.gettext("Sign in"),
        "unexpected": words.gettext("If you did not expect this mail, you need not do anything."),
        "url": f"{home}/sign-in",
        "language": language,
        "direction": direction_of(language),
        "brand": brand,
    }
    text, html = (_environment().get_template(f"invitation.{form}").render(context) for form in FORMS)
    return Mail(key=key, to=user.email, subject=context["subject"], text=text, html=html)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@outbox.handler(MAIL)
def _send(message: OutboxMessage) -> None:
    """Send the mail, unless the access was ended before it went."""
    user = db.session.get_one(User, UUID(message.payload["user_id"]))
    if user.active:
        mail = compose(user, message.payload["by"], key=f"{MAIL}:{message.key}")
        open_mailer(current_settings()).send(mail)

"""Notifications as mails: a text and an HTML form of the same words, from `templates/mail/`."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.config import current_settings
from app.gateways.mail import Mail, open_mailer
from app.models import Notification
from app.services import branding

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"


def compose(told: Notification, to: str, *, key: str) -> Mail:
    """Return the mail of a notification: the customer's leads to the gateway's page or to the portal, one to
    staff to the back office.
    """
    home = current_settings().public_url.rstrip("/")
    customer = told.customer if told.customer is not None and told.customer.email == to else None
    choices = f"{home}/admin/inbox/" if customer is None else f"{home}/portal/notifications"
    to_pay = None if customer is None else told.url
    place = "back office" if customer is None else "portal"
    context = {
        "told": told,
        "name": "" if customer is None else customer.name,
        "url": to_pay or choices,
        "action": "Pay now" if to_pay else f"Show it in the {place}",
        "choices": choices,
        "brand": branding.current(),
    }
    text, html = (_environment().get_template(f"notification.{kind}").render(context) for kind in FORMS)
    return Mail(key=key, to=to, subject=told.title, text=text, html=html)


def send(told: Notification, to: str, *, key: str) -> str:
    """Hand the mail of a notification over and return its Message-ID.

    Raises:
        MailUnavailable: the mail server did not take it.
    """
    return open_mailer(current_settings()).send(compose(told, to, key=key))


FORMS = ("txt", "html")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

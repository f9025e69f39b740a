"""Notifications as mails: a text and an HTML form of the same words, from `templates/mail/`."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.config import current_settings
from app.gateways.mail import Mail, open_mailer
from app.models import Notification

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"


def compose(told: Notification, to: str, *, key: str) -> Mail:
    """Return the mail of a notification; it leads to the gateway's page or to the portal."""
    settings = current_settings()
    home = settings.public_url.rstrip("/")
    context = {
        "told": told,
        "name": told.customer.name if told.customer else "",
        "url": told.url or f"{home}/portal/notifications",
        "action": "Pay now" if told.url else "Show it in the portal",
        "home": home,
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

"""Notifications as mails: a text and an HTML form of the same words, from `templates/mail/`."""

from app.config import current_settings
from app.gateways.mail import Mail, open_mailer
from app.models import Notification
from app.sentences import sentence
from app.services import branding, mail_pages, told


def compose(notification: Notification, to: str, *, key: str) -> Mail:
    """Return the mail of a notification in the reader's language: the customer's leads to the gateway's page
    or to the portal, one to staff to the back office.
    """
    home = current_settings().public_url.rstrip("/")
    customer = notification.customer
    if customer is not None and customer.email != to:
        customer = None
    language = mail_pages.language_of(to, customer)
    said = told.said_in(notification, language)
    choices = f"{home}/admin/inbox/" if customer is None else f"{home}/portal/notifications"
    to_pay = None if customer is None else notification.url
    shown = sentence("Show it in the back office") if customer is None else sentence("Show it in the portal")
    context = {
        "told": said,
        "name": "" if customer is None else customer.name,
        "url": to_pay or choices,
        "action": (sentence("Pay now") if to_pay else shown).said_in(language),
        "choices": choices,
        "brand": branding.current(),
    }
    text, html = mail_pages.render("notification", language, context)
    return Mail(key=key, to=to, subject=said.title, text=text, html=html)


def send(notification: Notification, to: str, *, key: str) -> str:
    """Hand the mail of a notification over and return its Message-ID.

    Raises:
        MailUnavailable: the mail server did not take it.
    """
    return open_mailer(current_settings()).send(compose(notification, to, key=key))

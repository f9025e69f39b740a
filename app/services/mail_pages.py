"""The pages of mails, `templates/mail/<name>.txt` and `.html`, in the language of whoever reads them."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import select

from app.db import db
from app.languages import ENGLISH, LANGUAGES, direction_of, words_of
from app.models import Customer, User

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"


def language_of(address: str, customer: Customer | None) -> str:
    """Return the language of a mail: the one that the person with this address chose, else the first that a
    person of the customer chose, else English.
    """
    chosen = select(User.locale).where(User.active, User.locale.in_(LANGUAGES))
    own = db.session.scalar(chosen.where(User.email == address))
    if own is None and customer is not None:
        theirs = chosen.where(User.customer_id == customer.id).order_by(User.created_at, User.id)
        own = db.session.scalar(theirs.limit(1))
    return own or ENGLISH


def render(name: str, language: str, context: dict[str, Any]) -> tuple[str, str]:
    """Return the plain text and the HTML of a mail; its templates say `_("…")`, and have `language`,
    `direction`, and `end`, the side where a line ends.
    """
    direction = direction_of(language)
    end = "left" if direction == "rtl" else "right"
    page = {**context, "language": language, "direction": direction, "end": end}
    text, html = (_environment(language).get_template(f"{name}.{form}") for form in ("txt", "html"))
    return text.render(page), html.render(page)


@lru_cache(maxsize=len(LANGUAGES))
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words = words_of(language)
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return environment

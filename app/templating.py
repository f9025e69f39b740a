"""What every template may say: filters for money and time, the look of a status, and the theme and language
of the page.

Templates name meanings (`{{ invoice.total|money(invoice.currency) }}`, `{{ ui.theme }}`); this module is
where they get their words.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from flask import Flask, current_app, request, url_for
from flask_login import current_user
from markupsafe import Markup

from app import languages
from app.formatting import (
    format_date,
    format_instant,
    format_money,
    format_month,
    format_percent,
    format_quantity,
    format_short_day,
    format_unit_price,
)

DEFAULT_ZONE = "Asia/Kolkata"
ICONS = "vendor/tabler-icons/icons.svg"
THEMES = ("light", "dark")
LONGEST_ABBREVIATION = 4
ABBREVIATIONS = frozenset(
    ("api", "csv", "gst", "hmac", "lut", "pdf", "sez", "sms", "tds", "upi", "url", "xlsx")
)
# Numbers are set from left to right by their classes (static/tokens.css), also between Arabic words.
MONEY, NUMBER = Markup('<span class="%s">%s</span>'), Markup('<span class="number">%s</span>')
INSTANT = Markup('<time datetime="%s" title="%s UTC">%s</time>')
DAY = Markup('<time datetime="%s">%s</time>')
QUANTITIES = "en_IN"
DASH = Markup(
    '<span class="nothing"><span aria-hidden="true">–</span><span class="visually-hidden">%s</span></span>'
)
NOTHING = DASH % "none"


@dataclass(frozen=True, slots=True)
class Look:
    """How a status is shown: never by colour alone, so a tone comes with an icon and the word."""

    tone: str
    icon: str


NEUTRAL = Look("neutral", "circle")
LOOKS = {
    "good": Look("success", "circle-check"),
    "going": Look("action", "progress"),
    "waiting": Look("neutral", "clock"),
    "attention": Look("warning", "alert-triangle"),
    "bad": Look("alert", "circle-x"),
    "off": Look("neutral", "ban"),
    "draft": Look("neutral", "circle-dashed"),
}
STATUSES = {
    "good": (
        "active paid completed succeeded captured published done accepted "
        "delivered sent issued posted succeeded ok finished restored moved"
    ),
    "going": "processing running started authorized in_progress open metered written restoring",
    "waiting": "initiated pending queued scheduled created requires_action trialing grace new future",
    "attention": (
        "partially_paid overdue low parked paused past_due unknown refunded partially_refunded "
        "reversed duplicate retrying conflict"
    ),
    "bad": "failed rejected uncollectible suspended error declined dead blocked expired mismatch",
    "off": (
        "cancelled canceled closed inactive void voided revoked ended "
        "archived disabled replayed released discarded unchanged"
    ),
    "draft": "draft preview",
}
STATUS_LOOKS = {status: LOOKS[kind] for kind, statuses in STATUSES.items() for status in statuses.split()}


@dataclass(frozen=True, slots=True)
class Page:
    """The theme and the language that the page's root element carries."""

    theme: str
    language: str

    @property
    def languages(self) -> dict[str, str]:
        """The languages there are by their codes, each in its own words."""
        return languages.LANGUAGES

    @property
    def direction(self) -> str:
        """`rtl` for languages written from right to left."""
        return languages.direction_of(self.language)


class Nothing:
    """`{{ nothing }}`: the dash where a value is missing, with its word in the language of the page."""

    def __html__(self) -> str:
        return nothing()


def nothing() -> Markup:
    """Return the dash where a value is missing."""
    return DASH % languages.translated("none")


def init_app(app: Flask) -> None:
    """Give the application's templates their filters, tests and globals."""
    app.jinja_env.filters.update(
        money=money,
        unit_price=unit_price,
        quantity=quantity,
        percent=percent,
        instant=instant,
        day=day,
        month=month,
        short_day=short_day,
        words=words,
    )
    app.jinja_env.globals.update(status_look=status_look, nothing=Nothing(), icon_address=icon_address)
    app.context_processor(lambda: {"ui": current_page()})


def address(endpoint: str) -> str:
    """Return the address of an endpoint that takes nothing; remembered, for pages that name it in every
    row."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return _address(app, request.script_root, endpoint)


def icon_address(name: str) -> str:
    """Return the address of an icon in the sprite."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return f"{_address(app, request.script_root, 'static', filename=ICONS)}#{name}"


@lru_cache(maxsize=1_000)
def _address(_app: Flask, _root: str, endpoint: str, **values: Any) -> str:
    return url_for(endpoint, **values)


def current_page() -> Page:
    """Return the choices of who is looking: the theme from the browser's cookie, else the person's own, and
    the language (`languages.chosen_language`).
    """
    theme = request.cookies.get("theme") or getattr(current_user, "theme", None)
    return Page(theme=theme if theme in THEMES else "system", language=languages.current_language())


def current_zone() -> str:
    """Return the IANA time zone of the person who is looking."""
    return getattr(current_user, "timezone", None) or DEFAULT_ZONE


def status_look(status: object) -> Look:
    """Return the tone and the icon of a status; a word nobody has a look for is neutral."""
    return STATUS_LOOKS.get(str(status).lower(), NEUTRAL)


def words(name: object) -> str:
    """Return a name of code as a person reads it.

    >>> words("partially_paid"), words("COMPLETED"), words("INR"), words("tds_receivable")
    ('Partially paid', 'Completed', 'INR', 'TDS receivable')
    """
    return _words(str(name))


@lru_cache(maxsize=1_000)
def _words(name: str) -> str:
    text = name.replace("_", " ").strip()
    if text.isupper() and len(text) > LONGEST_ABBREVIATION:
        text = text.lower()
    text = " ".join(part.upper() if part in ABBREVIATIONS else part for part in text.split(" "))
    return text[:1].upper() + text[1:]


def money(amount: Decimal | int | str | None, currency: str) -> Markup:
    """Return an amount with its currency; negative ones keep their sign and are marked for the eye too."""
    if amount is None:
        return nothing()
    style = "money money-negative" if Decimal(amount) < 0 else "money"
    return MONEY % (style, format_money(amount, currency, languages.number_locale()))


def unit_price(amount: Decimal | int | str | None, currency: str) -> Markup:
    """Return a price per unit with every decimal it has."""
    if amount is None:
        return nothing()
    return MONEY % ("money", format_unit_price(amount, currency, languages.number_locale()))


def quantity(amount: Decimal | int | str | None) -> Markup:
    """Return a quantity with its grouping."""
    locale = languages.number_locale() or QUANTITIES
    return nothing() if amount is None else NUMBER % format_quantity(amount, locale)


def percent(rate: Decimal | int | str | None) -> Markup:
    """Return a rate given in percent."""
    locale = languages.number_locale() or QUANTITIES
    return nothing() if rate is None else NUMBER % format_percent(rate, locale)


def instant(at: datetime | None, zone: str | None = None) -> Markup:
    """Return an instant in the reader's zone, the exact instant in UTC on hover."""
    if at is None:
        return nothing()
    exact = at.astimezone(UTC)
    shown = format_instant(at, zone or current_zone(), languages.current_language())
    return INSTANT % (exact.isoformat(), f"{exact:%Y-%m-%d %H:%M:%S.%f}", shown)


def day(on: date | None) -> Markup:
    """Return a calendar date."""
    return nothing() if on is None else DAY % (on.isoformat(), format_date(on, languages.current_language()))


def short_day(on: date) -> str:
    """Return a date without its year."""
    return format_short_day(on, languages.current_language())


def month(of: date) -> str:
    """Return the month of a date in words."""
    return format_month(of, languages.current_language())

"""How money, quantities, percentages and times read to a person: one voice for screens, documents and mail.

Amounts are rounded in `Decimal`, half up away from zero, before they are formatted: Babel's own rounding is
half-even. The grouping follows the currency (₹12,34,567.00, $1,234,567.00, Rp 1.234.567) unless a locale is
named.
"""

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date as babel_date
from babel.numbers import (
    NumberPattern,
    format_currency,
    format_decimal,
    get_currency_name,
    get_currency_precision,
    get_currency_symbol,
    get_decimal_symbol,
    parse_pattern,
)
from num2words import num2words

LOCALES = {"INR": "en_IN", "USD": "en_US", "IDR": "id_ID"}
SHOWN_PLACES = {"IDR": 0}
UNIT_PRICE_PLACES = 12
CRORE = 10_000_000
SUBUNITS = {"INR": ("Rupees", "Paise"), "USD": ("US Dollars", "Cents"), "IDR": ("Rupiah", "Sen")}

Number = Decimal | int | str


def shown_places(currency: str) -> int:
    """Return how many decimals an amount of `currency` is shown with: INR 2, IDR 0, JPY 0, KWD 3."""
    return SHOWN_PLACES.get(currency, get_currency_precision(currency))


def locale_of(currency: str) -> str:
    """Return the locale whose grouping amounts of `currency` follow."""
    return LOCALES.get(currency, "en_US")


def format_money(amount: Number, currency: str, locale: str | None = None) -> str:
    """Return an amount for a person to read, rounded half up to the places its currency is shown with.

    >>> format_money("1234567", "INR"), format_money("-1234.565", "USD"), format_money("1234567.49", "IDR")
    ('₹12,34,567.00', '-$1,234.57', 'Rp 1.234.567')
    """
    places = shown_places(currency)
    return _with_symbol(_rounded(amount, places), currency, "0" * places, locale)


def format_unit_price(amount: Number, currency: str, locale: str | None = None) -> str:
    """Return a price per unit with every decimal it has, up to 12, and at least those of its currency.

    >>> format_unit_price("0.00002", "INR"), format_unit_price("0.5", "INR"), format_unit_price("350", "IDR")
    ('₹0.00002', '₹0.50', 'Rp 350')
    """
    places = shown_places(currency)
    fraction = "0" * places + "#" * (UNIT_PRICE_PLACES - places)
    return _with_symbol(_rounded(amount, UNIT_PRICE_PLACES), currency, fraction, locale)


@lru_cache(maxsize=1_000)
def format_quantity(quantity: Number, locale: str = "en_IN") -> str:
    """Return a quantity with its grouping and without trailing zeros.

    >>> format_quantity("1234567.500"), format_quantity(1234567, "en_US")
    ('12,34,567.5', '1,234,567')
    """
    rounded = _rounded(quantity, UNIT_PRICE_PLACES)
    return format_decimal(rounded, locale=locale, decimal_quantization=False, format=None if rounded else "0")


def format_bytes(size: int) -> str:
    """Return a number of bytes in words, with a decimal from kilobytes on.

    >>> format_bytes(999), format_bytes(1_540), format_bytes(2_000_000_000)
    ('999 bytes', '1.5 kB', '2.0 GB')
    """
    if size < 1000:
        return f"{size} bytes"
    units = ("kB", "MB", "GB", "TB")
    power = min(len(units), (len(str(size)) - 1) // 3)
    return f"{Decimal(size) / 1000**power:.1f} {units[power - 1]}"


def format_percent(percent: Number, locale: str = "en_US") -> str:
    """Return a rate that is given in percent (18 means 18 %), without trailing zeros.

    >>> format_percent("18.00"), format_percent("2.5"), format_percent("2.5", "id_ID")
    ('18%', '2.5%', '2,5%')
    """
    text = f"{Decimal(percent):f}"
    shown = text.rstrip("0").rstrip(".") if "." in text else text
    return shown.replace(".", get_decimal_symbol(locale)) + "%"


def format_instant(at: datetime, zone: str | ZoneInfo, locale: str = "en_US") -> str:
    """Return an instant in a time zone, with the zone's abbreviation and the month in the words of `locale`.

    >>> from datetime import UTC
    >>> format_instant(datetime(2026, 3, 31, 18, 30, tzinfo=UTC), "Asia/Kolkata")
    '1 Apr 2026, 00:00 IST'

    Raises:
        ValueError: `at` is naive, so it names no instant.
    """
    if at.tzinfo is None:
        raise ValueError("An instant needs a time zone.")
    local = at.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    name = local.tzname() or ""
    label = f"UTC{name}" if name[:1] in "+-" else name
    return f"{format_date(local.date(), locale)}, {local:%H:%M} {label}"


@lru_cache(maxsize=1_000)
def format_date(day: date | str, locale: str = "en_US") -> str:
    """Return a date, given as such or as ISO text, with its month in the letters of `locale`.

    >>> format_date("2026-04-01"), format_date("2026-05-01", "id")
    ('1 Apr 2026', '1 Mei 2026')
    """
    return babel_date(date.fromisoformat(day) if isinstance(day, str) else day, "d MMM y", locale=locale)


@lru_cache(maxsize=1_000)
def format_short_day(day: date, locale: str = "en_US") -> str:
    """Return a date without its year, for the axis of a chart.

    >>> format_short_day(date(2026, 5, 1)), format_short_day(date(2026, 5, 1), "id")
    ('1 May', '1 Mei')
    """
    return babel_date(day, "d MMM", locale=locale)


@lru_cache(maxsize=1_000)
def format_month(day: date, locale: str = "en_US") -> str:
    """Return the month that a day lies in.

    >>> format_month(date(2026, 5, 1)), format_month(date(2026, 5, 1), "id")
    ('May 2026', 'Mei 2026')
    """
    return babel_date(day, "LLLL y", locale=locale)


def amount_in_words(amount: Number, currency: str) -> str:
    """Return an amount in English words as Indian documents write it; INR counts in lakh and crore.

    >>> amount_in_words("1234567.50", "INR")
    'Rupees Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven and Fifty Paise Only'
    """
    places = shown_places(currency)
    rounded = _rounded(amount, places)
    whole = int(abs(rounded))
    part = int((abs(rounded) - whole).scaleb(places))
    unit, subunit = SUBUNITS.get(currency, (get_currency_name(currency, count=2, locale="en"), ""))
    text = f"{unit} {_words(whole, currency)}"
    if part and subunit:
        text += f" and {_words(part, currency)} {subunit}"
    elif part:
        text += f" and {part:0{places}}/{10**places}"
    words = " ".join(_capitalised(word) for word in text.split(" "))
    return f"Minus {words} Only" if rounded < 0 else f"{words} Only"


def _rounded(amount: Number, places: int) -> Decimal:
    """Return `amount` rounded half up away from zero, never as a negative zero."""
    return Decimal(amount).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0


def _with_symbol(amount: Decimal, currency: str, fraction: str, locale: str | None) -> str:
    """Return `amount` with its currency's symbol; `fraction` is the CLDR pattern after the decimal point."""
    chosen = locale or locale_of(currency)
    return format_currency(
        amount,
        currency,
        _pattern(currency, fraction, chosen),
        locale=chosen,
        currency_digits=False,
        decimal_quantization=False,
    )


@lru_cache(maxsize=1_000)
def _pattern(currency: str, fraction: str, locale: str) -> NumberPattern:
    pattern = Locale.parse(locale).currency_formats["standard"].pattern
    pattern = pattern.replace("0.00", f"0.{fraction}" if fraction else "0")
    if get_currency_symbol(currency, locale=locale)[-1].isalpha():
        pattern = pattern.replace("¤#", "¤ #")
    return parse_pattern(pattern)


def _words(number: int, currency: str) -> str:
    """Return a whole number in words; num2words stops at a thousand crore, so crores are counted here."""
    if currency != "INR":
        return _plain(num2words(number, lang="en"))
    crores, rest = divmod(number, CRORE)
    if not crores:
        return _plain(num2words(rest, lang="en_IN"))
    return f"{_words(crores, currency)} crore" + (f" {_words(rest, currency)}" if rest else "")


def _plain(words: str) -> str:
    """Return a number's words without commas and "and", which would read as the border to the subunits."""
    return words.replace(",", "").replace(" and ", " ")


def _capitalised(word: str) -> str:
    """Return a word in title case, its hyphenated parts and "US" included; "and" stays small."""
    return word if word == "and" else "-".join(part[:1].upper() + part[1:] for part in word.split("-"))

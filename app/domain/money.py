"""Amounts of money: exact decimals, rounded once, half up away from zero, to the exponent of their currency.

Arithmetic on prices and quantities runs in the `EXACT` context, which raises rather than lose a digit; only
`quantize` rounds. A gateway's minor-unit exponent belongs to the gateway adapter, never here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import Any

from app.domain.errors import MixedCurrencies, RuleBroken

EXACT = Context(prec=96, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
ROUNDING = Context(prec=96, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow])

CURRENCIES: dict[str, int] = {
    **dict.fromkeys(
        ("AED", "ARS", "AUD", "BDT", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP"), 2
    ),
    **dict.fromkeys(
        ("HKD", "HUF", "IDR", "ILS", "INR", "KES", "LKR", "MXN", "MYR", "NGN", "NOK", "NPR", "NZD", "PHP"), 2
    ),
    **dict.fromkeys(
        ("PKR", "PLN", "QAR", "RON", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "ZAR"), 2
    ),
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "RWF", "UGX", "VND", "XAF", "XOF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217 code → decimals an amount is stored with. IDR is stored with 2 and paid in whole rupiah
(`payable_quantum`)."""

WHOLE_UNIT_PAYABLE = frozenset({"IDR"})
LARGEST_AMOUNT = Decimal(10) ** 15
MOST_PLACES = 12

_QUANTA = {currency: Decimal(1).scaleb(-exponent) for currency, exponent in CURRENCIES.items()}
_PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_LONGEST_TEXT = 64


def exponent(currency: str, *, pointer: str = "/currency") -> int:
    """Return how many decimals an amount of `currency` is stored with.

    Raises:
        RuleBroken: the currency is not one of `CURRENCIES`.
    """
    try:
        return CURRENCIES[currency]
    except (KeyError, TypeError):
        raise RuleBroken(
            pointer, "unknown_currency", f"{currency!r} is not a currency this system knows."
        ) from None


def quantize(amount: Decimal, currency: str) -> Decimal:
    """Return `amount` rounded half up away from zero to the decimals of `currency`.

    >>> quantize(Decimal("0.005"), "INR"), quantize(Decimal("-0.005"), "INR"), quantize(Decimal("0.5"), "JPY")
    (Decimal('0.01'), Decimal('-0.01'), Decimal('1'))

    Raises:
        RuleBroken: unknown currency.
    """
    rounded = amount.quantize(_QUANTA.get(currency) or _quantum(currency), ROUND_HALF_UP, ROUNDING)
    return rounded or abs(rounded)  # no minus sign on nothing


def _quantum(currency: str) -> Decimal:
    return Decimal(1).scaleb(-exponent(currency))


def payable_quantum(currency: str) -> Decimal:
    """Return the smallest amount that can be paid: 0.01 INR, 1 JPY, 0.001 KWD, and a whole rupiah for IDR.

    Raises:
        RuleBroken: unknown currency.
    """
    if currency in WHOLE_UNIT_PAYABLE:
        return Decimal(1)
    return _quantum(currency)


def quantize_payable(amount: Decimal, currency: str) -> Decimal:
    """Return `amount` rounded half up to what can be paid, in the stored exponent (`1234.50` IDR →
    `1235.00`)."""
    return quantize(amount.quantize(payable_quantum(currency), ROUND_HALF_UP, ROUNDING), currency)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency; unrounded until `rounded` is asked for."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"Money needs a Decimal, not {type(self.amount).__name__}.")
        exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(EXACT.add(self.amount, self._same(other)), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(EXACT.subtract(self.amount, self._same(other)), self.currency)

    def __neg__(self) -> "Money":
        return Money(self.amount.copy_negate() if self.amount else self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other)

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency}"

    def rounded(self) -> "Money":
        """Return the same money rounded half up to the currency's decimals."""
        return Money(quantize(self.amount, self.currency), self.currency)

    def _same(self, other: "Money") -> Decimal:
        if other.currency != self.currency:
            raise MixedCurrencies(self.currency, other.currency)
        return other.amount


def zero(currency: str) -> Decimal:
    """Return nothing, written with the decimals of `currency`: `0.00` for INR."""
    return quantize(Decimal(0), currency)


def add_up(amounts: Iterable[Decimal], currency: str) -> Decimal:
    """Return the exact sum of amounts of one currency, with its decimals; nothing adds up to `0.00`."""
    with localcontext(EXACT):
        return sum(amounts, zero(currency))


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros, the one canonical spelling of its value.

    >>> plain(Decimal("1E+3")), plain(Decimal("0.500")), plain(Decimal("-0"))
    ('1000', '0.5', '0')
    """
    text = str(value)
    if text.isdigit():
        return text
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def parse_decimal(
    value: object,
    *,
    pointer: str,
    places: int = MOST_PLACES,
    minimum: Decimal | None = None,
    largest: Decimal = LARGEST_AMOUNT,
) -> Decimal:
    """Return the exact decimal that a caller wrote as a string, an int or a `Decimal`.

    At most `places` decimals as written, no more than `largest` in size, no less than `minimum`.

    Raises:
        RuleBroken: `not_a_number` (also for booleans, floats, NaN, infinity, blanks, digits that are not
        ASCII),
            `too_many_decimals`, `too_large`, `too_small`.
    """
    number = _exact(value, pointer)
    if number.as_tuple().exponent < -places:  # type: ignore[operator]
        raise RuleBroken(pointer, "too_many_decimals", f"No more than {places} decimals are possible here.")
    if number.copy_abs() > largest:
        raise RuleBroken(pointer, "too_large", f"The number may be at most {plain(largest)}.")
    if minimum is not None and number < minimum:
        raise RuleBroken(pointer, "too_small", f"The number must be at least {plain(minimum)}.")
    return number


def _exact(value: object, pointer: str) -> Decimal:
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT and _PLAIN.fullmatch(value):
        return Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, float):
        raise RuleBroken(
            pointer,
            "not_a_number",
            'Write the number as a string, such as "0.1": a binary fraction is not exact.',
        )
    raise RuleBroken(
        pointer, "not_a_number", 'A number is needed here, written as a string such as "118.00".'
    )


def parse_amount(
    value: object, currency: str, *, pointer: str, allow_zero: bool = False, allow_negative: bool = False
) -> Decimal:
    """Return an amount of money that a caller wrote, or `Money`, with the decimals of its currency (`"118"` →
    `118.00` INR).

    Raises:
        RuleBroken: as `parse_decimal` says, `not_positive` for zero or less (unless allowed), or an unknown
        currency.
        MixedCurrencies: money of another currency.
    """
    if isinstance(value, Money):
        if value.currency != currency:
            raise MixedCurrencies(value.currency, currency, pointer=pointer)
        value = value.amount
    if isinstance(value, Decimal) and value.is_finite() and abs(value) <= LARGEST_AMOUNT:
        # A column keeps four decimals: what counts of a Decimal is its value, not how many zeros it ends
        # with.
        value = quantize(value, currency) if value == quantize(value, currency) else value
    number = parse_decimal(value, pointer=pointer, places=exponent(currency))
    if number < 0 and not allow_negative:
        raise RuleBroken(pointer, "not_positive", "The amount may not be negative.")
    if number == 0 and not allow_zero:
        raise RuleBroken(pointer, "not_positive", "The amount must be more than zero.")
    return quantize(number, currency)


def parse_money(value: Any, *, pointer: str, allow_zero: bool = False, allow_negative: bool = False) -> Money:
    """Return the money in a wire object `{"amount": "118.00", "currency": "INR"}`.

    Raises:
        RuleBroken: not such an object, or as `parse_amount` says, at `pointer/amount` or `pointer/currency`.
    """
    if not isinstance(value, Mapping) or set(value) != {"amount", "currency"}:
        raise RuleBroken(pointer, "not_money", "Money is an object with exactly `amount` and `currency`.")
    exponent(value["currency"], pointer=f"{pointer}/currency")
    amount = parse_amount(
        value["amount"],
        value["currency"],
        pointer=f"{pointer}/amount",
        allow_zero=allow_zero,
        allow_negative=allow_negative,
    )
    return Money(amount, value["currency"])

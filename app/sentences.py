"""Sentences that are kept now and read later, by each reader in the reader's language.

    sentence("%(account)s: the balance is below %(level)s", account=name, level=Amount(level, "INR"))

`flask languages` finds every such message. What is kept is the English message with its arguments as plain
JSON, so amounts and days follow the reader too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from app.formatting import format_date, format_money
from app.languages import ENGLISH, NUMBER_LOCALES, RIGHT_TO_LEFT, words_of

# Unicode's isolates: what stands between them keeps its own direction and leaves that of the sentence alone.
FROM_LEFT, AS_IT_IS, END = "\u2066", "\u2068", "\u2069"
# The message of words that are not ours, such as what a gateway gave as a reason.
FOREIGN = "%(words)s"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money inside a sentence."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """An English message with `%(name)s` for its arguments; `str` says it in English."""

    message: str
    arguments: Mapping[str, "Argument"] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.said_in(ENGLISH)

    def said_in(self, language: str) -> str:
        """Return it in a language of `app.languages`; a message that its catalogue lacks stays English."""
        said = {name: inside(value, language) for name, value in self.arguments.items()}
        return str(words_of(language).gettext(self.message)) % said


Argument = str | int | date | Amount | Sentence


def sentence(message: str, **arguments: Argument) -> Sentence:
    """Return a sentence of ours; the message has to be a literal, so that it is found."""
    return Sentence(message, arguments)


def as_sentence(words: Sentence | str) -> Sentence:
    """Return a sentence as it is, and words that are not ours as one that no language changes."""
    return words if isinstance(words, Sentence) else Sentence(FOREIGN, {"words": words})


def to_json(value: Argument) -> Any:
    """Return a sentence or an argument as plain JSON."""
    match value:
        case Sentence(message, arguments):
            return {"say": message, "with": {name: to_json(each) for name, each in arguments.items()}}
        case Amount(amount, currency):
            return {"amount": f"{amount:f}", "currency": currency}
        case date():
            return {"day": value.isoformat()}
        case _:
            return value


def from_json(kept: Any) -> Argument:
    """Return what `to_json` made plain."""
    match kept:
        case {"say": message, "with": arguments}:
            return Sentence(message, {name: from_json(each) for name, each in arguments.items()})
        case {"amount": amount, "currency": currency}:
            return Amount(Decimal(amount), currency)
        case {"day": day}:
            return date.fromisoformat(day)
        case _:
            return kept  # type: ignore[no-any-return]


def shown(value: Argument, language: str) -> str:
    """Return a value as it stands for itself, such as beside a label, in the form of a language.

    >>> shown(Amount(Decimal("-1234.5"), "INR"), "en"), shown(date(2026, 5, 1), "id")
    ('-₹1,234.50', '1 Mei 2026')
    """
    match value:
        case Sentence():
            return value.said_in(language)
        case Amount(amount, currency):
            return format_money(amount, currency, NUMBER_LOCALES.get(language))
        case date():
            return format_date(value, language)
        case _:
            return str(value)


def inside(value: Argument, language: str) -> str:
    """Return a value as it stands among words: between those from right to left it is isolated, so that
    signs, digits and names stay in their order.
    """
    text = shown(value, language)
    if language not in RIGHT_TO_LEFT:
        return text
    return f"{FROM_LEFT if isinstance(value, Amount) else AS_IT_IS}{text}{END}"

"""Personal data with its middle hidden: what is left tells two records apart and cannot be written or called
to (specification 7.2.1: customer PII is masked).

`PERSONAL` is the whole rule: what is called so is personal, whether it is a column, an attribute of an answer
or a key of a document. Text of any other name loses the addresses and numbers that stand in it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

HIDDEN = "***"


class Kind(StrEnum):
    """What a name holds, which says how much of it stays."""

    email = "email"
    phone = "phone"
    contact = "contact"
    text = "text"
    number = "number"
    ip = "ip"


# The name of a column, of an attribute or of a key → what it holds.
PERSONAL: dict[str, Kind] = {
    # Where people are written to.
    "email": Kind.email,
    "email_address": Kind.email,
    "billing_emails": Kind.email,
    "copies": Kind.email,
    "cc": Kind.email,
    "recipient": Kind.contact,
    "recipients": Kind.contact,
    "to": Kind.contact,
    "from": Kind.contact,
    "destination": Kind.contact,
    "contact": Kind.contact,
    "identifier": Kind.contact,
    "phone": Kind.phone,
    "phone_number": Kind.phone,
    "mobile": Kind.phone,
    "mobile_number": Kind.phone,
    "msisdn": Kind.phone,
    # Where they live, and who they are.
    "address": Kind.text,
    "address_line1": Kind.text,
    "address_line2": Kind.text,
    "line1": Kind.text,
    "line2": Kind.text,
    "city": Kind.text,
    "postal_code": Kind.text,
    "pincode": Kind.text,
    "contact_name": Kind.text,
    "full_name": Kind.text,
    "first_name": Kind.text,
    "last_name": Kind.text,
    # What governments know them by.
    "gstin": Kind.number,
    "tax_id": Kind.number,
    "pan": Kind.number,
    "signed_qr": Kind.text,
    "signed_invoice": Kind.text,
    # Where they sit.
    "ip": Kind.ip,
    "ip_address": Kind.ip,
    "remote_addr": Kind.ip,
}

# What stands in documents of ours about ourselves: nobody's personal data.
OUR_OWN = frozenset({"seller"})

PHONE = re.compile(r"\+?\d[\d ()-]{6,18}\d")
IN_PROSE = (
    (re.compile(r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"), Kind.email),
    (re.compile(r"\b\d{2}[A-Z]{5}\d{4}[A-Z][0-9A-Z]Z[0-9A-Z]\b"), Kind.number),
    (re.compile(r"\b[A-Z]{5}\d{4}[A-Z]\b"), Kind.number),
    (re.compile(r"\+\d{8,15}\b"), Kind.phone),
)


def mask(name: str, value: Any) -> Any:
    """Return what may be seen of a value that is called `name`; documents and lists are gone through.

    What is neither text, a whole number of a personal name, a document nor a list is returned as it is.

    >>> mask("email", "asha@lotus.example"), mask("phone", "+919876543210"), mask("ip", "203.0.113.9")
    ('a***@lotus.example', '+91***10', '203.0.***')
    >>> mask("gstin", "29ABCDE1234F1Z5"), mask("city", "Bengaluru"), mask("to", "active")
    ('29***Z5', 'B***', 'active')
    """
    kind = PERSONAL.get(name.rpartition(".")[2].lower())
    if isinstance(value, Mapping):
        return {key: one if key in OUR_OWN else mask(str(key), one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(name, one) for one in value]
    if type(value) is int and kind in (Kind.phone, Kind.contact):
        value = str(value)
    if type(value) is not str or not value:
        return value
    return mask_prose(value) if kind is None else mask_as(kind, value)


def mask_as(kind: Kind, text: str) -> str:
    """Return what stays of a text that holds this kind of thing."""
    if kind is Kind.email:
        return _email(text)
    if kind is Kind.phone:
        return _ends(text, 3, 2)
    if kind is Kind.contact:
        return _email(text) if "@" in text else _ends(text, 3, 2) if PHONE.fullmatch(text) else text
    if kind is Kind.number:
        return _ends(text, 2, 2)
    if kind is Kind.ip:
        return _network(text)
    return _ends(text, 1, 0)


def mask_prose(text: str) -> str:
    """Return a sentence without the addresses and numbers that stand in it.

    >>> mask_prose("The invoice went to asha@lotus.example, GSTIN 29ABCDE1234F1Z5, call +919876543210.")
    'The invoice went to a***@lotus.example, GSTIN 29***Z5, call +91***10.'
    """
    for pattern, kind in IN_PROSE:
        text = pattern.sub(lambda found, kind=kind: mask_as(kind, found[0]), text)  # type: ignore[misc]
    return text


def _email(text: str) -> str:
    person, at, host = text.rpartition("@")
    return f"{person[:1]}{HIDDEN}@{host}" if at else _ends(text, 1, 0)


def _ends(text: str, first: int, last: int) -> str:
    """Return both ends of a text; of one too short for that, less."""
    if len(text) < 2 * (first + last):
        first, last = min(1, len(text) - 1), 0
    return f"{text[:first]}{HIDDEN}{text[len(text) - last :]}" if last else f"{text[:first]}{HIDDEN}"


def _network(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return HIDDEN
    separator = "." if address.version == 4 else ":"
    return separator.join([*address.exploded.split(separator)[:2], HIDDEN])

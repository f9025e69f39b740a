"""What the portal accepts, checked before it is asked: lengths, places, taxes and totals of an INV-01
document, with the field named (schema INV-01 1.1; the portal's list of error codes)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain import gstin
from app.domain.errors import RuleBroken
from app.domain.places import OTHER_COUNTRY, STATES

# The portal allows a rupee where sums are compared.
TOLERANCE = Decimal(1)
MOST_ITEMS = 1000
MOST_AMOUNT = Decimal("99999999999999.99")
MOST_ROUNDING = Decimal("99.99")
LOWEST_PIN, HIGHEST_PIN = 100000, 999999
UNREGISTERED = "URP"
NUMBER = re.compile(r"[A-Z1-9][A-Z0-9/-]{0,15}", re.ASCII)
SERVICE = re.compile(r"99(?:[0-9]{2}){1,3}", re.ASCII)
SUPPLIES = ("B2B", "SEZWP", "SEZWOP", "EXPWP", "EXPWOP")

Found = Iterator[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Text:
    """How long a text has to be."""

    pointer: str
    shortest: int
    longest: int
    what: str


TEXTS = (
    Text("/SellerDtls/LglNm", 3, 100, "The seller's legal name"),
    Text("/SellerDtls/Addr1", 1, 100, "The seller's address"),
    Text("/SellerDtls/Loc", 3, 50, "The seller's city"),
    Text("/BuyerDtls/LglNm", 3, 100, "The customer's name"),
    Text("/BuyerDtls/Addr1", 1, 100, "The customer's address"),
    Text("/BuyerDtls/Loc", 3, 100, "The customer's city"),
)


def problems(document: Mapping[str, Any], *, accept_test: bool = False) -> list[RuleBroken]:
    """Return everything for which the portal would refuse a document; `accept_test` takes test GSTINs."""
    found = [
        *_lengths(document),
        *_number(document),
        *_registrations(document, accept_test),
        *_places(document),
        *_items(document),
        *_totals(document),
    ]
    return [RuleBroken(pointer, code, message) for pointer, code, message in found]


def _lengths(document: Mapping[str, Any]) -> Found:
    for text in TEXTS:
        _, part, field = text.pointer.split("/")
        length = len(document[part].get(field) or "")
        if not text.shortest <= length <= text.longest:
            message = f"{text.what} needs {text.shortest} to {text.longest} characters; it has {length}."
            yield text.pointer, "bad_length", message
    if not 1 <= len(document["ItemList"]) <= MOST_ITEMS:
        yield "/ItemList", "bad_length", f"A document has 1 to {MOST_ITEMS} items."


def _number(document: Mapping[str, Any]) -> Found:
    if not NUMBER.fullmatch(document["DocDtls"]["No"]):
        message = "A number is 1 to 16 of A-Z, 0-9, - and /, and starts with neither 0, - nor /."
        yield "/DocDtls/No", "bad_number", message


def _registrations(document: Mapping[str, Any], accept_test: bool) -> Found:
    export = document["TranDtls"]["SupTyp"].startswith("EXP")
    for part, who in (("SellerDtls", "seller"), ("BuyerDtls", "customer")):
        number = document[part]["Gstin"]
        if part == "BuyerDtls" and export:
            if number != UNREGISTERED:
                yield "/BuyerDtls/Gstin", "bad_gstin", "A customer abroad has no GSTIN: URP."
        elif not gstin.is_valid(number, accept_test=accept_test):
            yield f"/{part}/Gstin", "bad_gstin", f"The {who}'s GSTIN is not valid."
        elif number[:2] != document[part]["Stcd"]:
            yield f"/{part}/Stcd", "other_state", f"The {who}'s GSTIN is of another State than the address."
    if document["SellerDtls"]["Gstin"] == document["BuyerDtls"]["Gstin"]:
        yield "/BuyerDtls/Gstin", "own_gstin", "The customer's GSTIN is the seller's."


def _places(document: Mapping[str, Any]) -> Found:
    details, buyer = document["TranDtls"], document["BuyerDtls"]
    export = details["SupTyp"].startswith("EXP")
    if details["SupTyp"] not in SUPPLIES:
        yield "/TranDtls/SupTyp", "unknown_choice", f"Choose one of: {', '.join(SUPPLIES)}."
    if details["RegRev"] == "Y" and details["SupTyp"] != "B2B":
        yield "/TranDtls/RegRev", "bad_reverse_charge", "Reverse charge is for supplies to business in India."
    if buyer["Pos"] not in STATES or (buyer["Pos"] == OTHER_COUNTRY) != export:
        yield "/BuyerDtls/Pos", "bad_place", "The place of supply is a State code, for exports 96."
    if export and document["ExpDtls"]["CntCode"] == "IN":
        yield "/ExpDtls/CntCode", "bad_country", "An export goes to another country."
    for part, who in (("SellerDtls", "seller"), ("BuyerDtls", "customer")):
        pin = document[part]["Pin"]
        if pin is None or not LOWEST_PIN <= pin <= HIGHEST_PIN:
            yield f"/{part}/Pin", "bad_pin", f"The {who}'s address needs a PIN code of six digits."


def _items(document: Mapping[str, Any]) -> Found:
    intra = _is_intra_state(document)
    for n, item in enumerate(document["ItemList"]):
        at = f"/ItemList/{n}"
        if not SERVICE.fullmatch(item["HsnCd"]):
            yield f"{at}/HsnCd", "bad_sac", "A service code has 4, 6 or 8 digits and starts with 99."
        if not 0 <= item["AssAmt"] <= item["TotAmt"] <= MOST_AMOUNT:
            yield f"{at}/AssAmt", "out_of_range", f"An amount is 0 to {MOST_AMOUNT}."
        if abs(item["TotAmt"] - item["Discount"] - item["AssAmt"]) > TOLERANCE:
            yield f"{at}/AssAmt", "bad_sum", "The taxable value is the amount less the discount."
        yield from _taxes_of(item, at, intra)


def _taxes_of(item: Mapping[str, Any], at: str, intra: bool) -> Found:
    taxes = {"Igst": item["IgstAmt"], "Cgst": item["CgstAmt"], "Sgst": item["SgstAmt"]}
    if intra and taxes["Igst"]:
        yield f"{at}/IgstAmt", "wrong_tax", "Within a State CGST and SGST are charged, not IGST."
    if not intra and (taxes["Cgst"] or taxes["Sgst"]):
        yield f"{at}/CgstAmt", "wrong_tax", "Between States IGST is charged, not CGST and SGST."
    charged = sum(taxes.values(), Decimal(0))
    due = item["AssAmt"] * item["GstRt"] / 100
    if item["GstRt"] and abs(charged - due) > TOLERANCE:
        yield f"{at}/GstRt", "bad_tax", f"{item['GstRt']} % of {item['AssAmt']} is not {charged}."
    total = item["AssAmt"] + charged + item["OthChrg"]
    if abs(total - item["TotItemVal"]) > TOLERANCE:
        yield f"{at}/TotItemVal", "bad_sum", "An item is its taxable value and its taxes."


def _totals(document: Mapping[str, Any]) -> Found:
    values, items = document["ValDtls"], document["ItemList"]
    pairs = (("AssVal", "AssAmt"), ("IgstVal", "IgstAmt"), ("CgstVal", "CgstAmt"), ("SgstVal", "SgstAmt"))
    for total, part in pairs:
        if abs(values[total] - sum((item[part] for item in items), Decimal(0))) > TOLERANCE:
            yield f"/ValDtls/{total}", "bad_sum", "It is not the sum of the items."
    if abs(values["RndOffAmt"]) > MOST_ROUNDING:
        yield "/ValDtls/RndOffAmt", "out_of_range", f"At most {MOST_ROUNDING} is rounded off."
    whole = sum((item["TotItemVal"] for item in items), Decimal(0)) + values["RndOffAmt"]
    if abs(values["TotInvVal"] - whole) > TOLERANCE or values["TotInvVal"] < 0:
        yield "/ValDtls/TotInvVal", "bad_sum", "The total is that of the items, and what is rounded off."


def _is_intra_state(document: Mapping[str, Any]) -> bool:
    same = document["SellerDtls"]["Stcd"] == document["BuyerDtls"]["Pos"]
    return bool(same and document["TranDtls"]["SupTyp"] == "B2B")

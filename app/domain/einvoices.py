"""The e-invoice of a document: its number at the Invoice Registration Portal, and what is reported there
(CGST Rule 48(4); schema INV-01, version 1.1, Notification 60/2020-CT).

Everything is derived from the immutable content of an issued document (`app.services.snapshots`), so the same
document is the same e-invoice for ever. Amounts are rupees, as exact decimals.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

from app.domain.einvoice_items import Item, items_of
from app.domain.money import ROUNDING, quantize
from app.domain.numbering import financial_year
from app.domain.places import INDIA, OTHER_COUNTRY

VERSION = "1.1"
NOTHING = Decimal(0)
RUPEES = "INR"
DOCUMENT_TYPES = {"tax_invoice": "INV", "export_invoice": "INV", "credit_note": "CRN"}
UNREGISTERED = "URP"
PIN_ABROAD = 999999
LONGEST_NAME = LONGEST_ADDRESS = 100
LONGEST_ORDER = 16
_PLACE = re.compile(r"(?P<place>.*?),? ?(?P<pin>[1-9][0-9]{5})(?:, .*)?")

Snapshot = Mapping[str, Any]


def irn_of(gstin: str, on: date, document_type: str, number: str) -> str:
    """Return the Invoice Reference Number of a document: the SHA-256, in hex, of the seller's GSTIN, the
    financial year of its date, its type and its number in upper case, joined without separators
    (einv-apisandbox.nic.in/irn.html; the case by the portal's advisory of June 2025)."""
    text = f"{gstin}{financial_year(on).label}{document_type}{number.upper()}"
    return sha256(text.encode()).hexdigest()


def irn_of_content(snapshot: Snapshot) -> str:
    """Return the Invoice Reference Number of an issued document."""
    on = date.fromisoformat(snapshot["issued_on"])
    document_type = DOCUMENT_TYPES[snapshot["kind"]]
    return irn_of(snapshot["seller"]["gstin"], on, document_type, snapshot["number"])


def is_reportable(snapshot: Snapshot) -> bool:
    """Tell whether the law asks for an e-invoice of such a document, if it asks the seller at all.

    It does for supplies to a registered person, to a Special Economic Zone or abroad, and for the notes on
    them; not for a bill of supply (Rule 49), nor for a note without tax after the limit of s.34(2).
    """
    buyer = snapshot["buyer"]
    if buyer["tax_treatment"] == "exempt" or snapshot.get("commercial"):
        return False
    return bool(buyer["country"] != INDIA or buyer["gstin"])


def supply_type(snapshot: Snapshot) -> str:
    """Return how the portal names the supply: B2B, SEZ or export, with payment of tax (WP) or without
    (WOP)."""
    buyer = snapshot["buyer"]
    paid = "WP" if any(tax["code"] == "IGST" for tax in snapshot["taxes"]) else "WOP"
    if buyer["country"] != INDIA:
        return f"EXP{paid}"
    return f"SEZ{paid}" if buyer["tax_treatment"] == "sez" else "B2B"


def build(snapshot: Snapshot, original: Snapshot | None = None) -> dict[str, Any]:
    """Return the INV-01 document of an issued invoice or credit note; `original` is the invoice of a note.

    Lines below nothing (discounts, coupons, credits) are discounts of the items that bear the same tax, as an
    item may not be negative.

    Raises:
        RuleBroken: at `/ItemList` where more is taken off than there is at that rate.
    """
    rate = _rupees_per_unit(snapshot, original)
    items = items_of(snapshot["lines"], rate)
    abroad = snapshot["buyer"]["country"] != INDIA
    document: dict[str, Any] = {
        "Version": VERSION,
        "TranDtls": {
            "TaxSch": "GST",
            "SupTyp": supply_type(snapshot),
            "RegRev": "Y" if snapshot["reverse_charge"] else "N",
            "IgstOnIntra": "N",
        },
        "DocDtls": {
            "Typ": DOCUMENT_TYPES[snapshot["kind"]],
            "No": (snapshot["number"] or "").upper(),
            "Dt": _day(snapshot["issued_on"]),
        },
        "SellerDtls": _seller(snapshot["seller"]),
        "BuyerDtls": _buyer(snapshot),
        "ItemList": [item.as_document(n) for n, item in enumerate(items, 1)],
        "ValDtls": _values(snapshot, items, rate),
        "RefDtls": _references(snapshot),
    }
    if abroad:
        currency = {} if snapshot["currency"] == RUPEES else {"ForCur": snapshot["currency"]}
        document["ExpDtls"] = {**currency, "CntCode": snapshot["buyer"]["country"]}
    return document


def _rupees_per_unit(snapshot: Snapshot, original: Snapshot | None) -> Decimal:
    """Return what a unit of the document's currency is in rupees; a note is reckoned as its invoice was."""
    if snapshot["currency"] == RUPEES:
        return Decimal(1)
    exchanged = snapshot.get("inr") or (original or {}).get("inr")
    return Decimal(exchanged["rate"]) if exchanged else NOTHING


def _values(snapshot: Snapshot, items: list[Item], rate: Decimal) -> dict[str, Any]:
    def total(name: str) -> Decimal:
        return sum((item.taxes[name] for item in items), quantize(NOTHING, RUPEES))

    exchanged = snapshot.get("inr")
    taxable = sum((item.taxable for item in items), quantize(NOTHING, RUPEES))
    exact = taxable + total("Igst") + total("Cgst") + total("Sgst") + total("Oth")
    if snapshot["currency"] == RUPEES:
        rounding = quantize(Decimal(snapshot["round_off"]), RUPEES)
    else:
        whole = Decimal(exchanged["total"]) if exchanged else _rupees(Decimal(snapshot["total"]), rate)
        rounding = whole - exact
    values = {
        "AssVal": taxable,
        "CgstVal": total("Cgst"),
        "SgstVal": total("Sgst"),
        "IgstVal": total("Igst"),
        "OthChrg": total("Oth"),
        "RndOffAmt": rounding,
        "TotInvVal": exact + rounding,
    }
    if snapshot["currency"] != RUPEES:
        values["TotInvValFc"] = Decimal(snapshot["total"])
    return values


def _rupees(amount: Decimal, rate: Decimal) -> Decimal:
    return quantize(ROUNDING.multiply(amount, rate), RUPEES)


def _seller(seller: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Gstin": seller["gstin"],
        "LglNm": _clean(seller["name"])[:LONGEST_NAME],
        **_address(seller["address"]),
        "Stcd": seller["state_code"],
    }


def _buyer(snapshot: Snapshot) -> dict[str, Any]:
    buyer, place = snapshot["buyer"], snapshot["place_of_supply"]["code"]
    name = {"LglNm": _clean(buyer["name"])[:LONGEST_NAME], "Pos": place}
    if buyer["country"] != INDIA:
        address = {**_address(buyer["address"]), "Pin": PIN_ABROAD}
        address["Loc"] = address["Loc"] or address["Addr1"][:LONGEST_ADDRESS]
        return {"Gstin": UNREGISTERED, **name, **address, "Stcd": OTHER_COUNTRY}
    state = (buyer["gstin"] or "")[:2] or buyer["state_code"]
    return {"Gstin": buyer["gstin"], **name, **_address(buyer["address"]), "Stcd": state}


def _address(lines: list[str]) -> dict[str, Any]:
    """Return an address in the portal's parts. Ours ends with `Bengaluru 560001, Karnataka`, and a buyer's
    with the country after it."""
    matches = [(n, match) for n, line in enumerate(lines) if (match := _PLACE.fullmatch(line))]
    found = matches[-1] if matches else None
    streets = lines[: found[0]] if found else lines[:-1]
    place = found[1]["place"] if found else (lines[-2] if len(lines) > 2 else "")
    first, *others = [_clean(line) for line in streets] or [""]
    address: dict[str, Any] = {"Addr1": first[:LONGEST_ADDRESS]}
    second = ", ".join(others)[:LONGEST_ADDRESS]
    if len(second) > 2:
        address["Addr2"] = second
    return {**address, "Loc": _clean(place)[:50], "Pin": int(found[1]["pin"]) if found else None}


def _references(snapshot: Snapshot) -> dict[str, Any]:
    period = snapshot["period"]
    references: dict[str, Any] = {
        "DocPerdDtls": {"InvStDt": _day(period["start_on"]), "InvEndDt": _day(period["end_on"])}
    }
    original, order = snapshot.get("original"), snapshot.get("purchase_order")
    if original:
        preceding = {"InvNo": original["number"], "InvDt": _day(original["issued_on"])}
        references["PrecDocDtls"] = [preceding]
    if order and len(order) <= LONGEST_ORDER:
        references["ContrDtls"] = [{"PORefr": _clean(order)}]
    return references


def _day(text: str) -> str:
    """Return an ISO date as the portal writes it: `01/11/2026`."""
    return f"{date.fromisoformat(text):%d/%m/%Y}"


def _clean(text: str) -> str:
    """Return a text without the two characters that the schema forbids."""
    return " ".join(text.split()).replace('"', "'").replace("\\", "/")

"""A portal of one's own: it checks, numbers and signs as the Invoice Registration Portal does, and keeps what
it registered in files, so that a reference number exists once whichever process asks.

Its key is made on first use and is nobody's: a QR code that it signed is no e-invoice in law.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from json import loads
from pathlib import Path
from typing import Any

import msgspec

from app import clock
from app.config import Settings
from app.domain.einvoice_rules import problems
from app.domain.einvoices import irn_of
from app.domain.numbering import IST
from app.errors import DomainError
from app.gateways.einvoices import (
    CANCELLED_BEFORE,
    DUPLICATE,
    NOT_ACTIVE,
    NOT_FOUND,
    TOO_LATE_TO_CANCEL,
    BadPortalSignature,
    PortalError,
    PortalRefused,
    Registered,
    providers,
)
from app.lazy import Lazy

jwk = Lazy("joserfc.jwk")
jws = Lazy("joserfc.jws")
jose_errors = Lazy("joserfc.errors")

ISSUER = "Sandbox"
KEY_BITS = 2048
WINDOW = timedelta(hours=24)
# An acknowledgement has 15 digits and starts with none that would be lost.
FIRST_ACK, ACKS = 10**14, 9 * 10**14
# How the portal names what our own rules find; everything else is 5002, an error of the schema.
CODES = {"bad_gstin": "3028", "wrong_tax": "2172", "bad_sac": "2176", "bad_sum": "2189", "bad_tax": "2233"}
SCHEMA_ERROR = "5002"
MOMENT = "%Y-%m-%d %H:%M:%S"

encode = msgspec.json.Encoder(decimal_format="number").encode


class SandboxPortal:
    """The `EInvoiceProvider` of development and tests; `accept_test` takes GSTINs without a valid check."""

    name = "sandbox"

    def __init__(self, directory: Path, *, accept_test: bool = False) -> None:
        self._directory, self._accept_test = directory, accept_test

    def register(self, document: Mapping[str, Any]) -> Registered:
        """Check, number, sign and keep a document: once, as the file of its reference number is made once."""
        found = problems(document, accept_test=self._accept_test)
        if found:
            raise PortalRefused([_error(each.code, str(each)) for each in found])
        details, seller = document["DocDtls"], document["SellerDtls"]["Gstin"]
        on = datetime.strptime(details["Dt"], "%d/%m/%Y").date()  # noqa: DTZ007  a day has no zone
        irn = irn_of(seller, on, details["Typ"], details["No"])
        kept = self._sign(irn, document)
        try:
            self._keep(irn, kept)
        except FileExistsError:
            raise self._duplicate(irn) from None
        return _registered(kept)

    def find(self, irn: str, *, gstin: str) -> Registered | None:
        """Read the file of a reference number."""
        return self._find(irn, gstin)

    def _find(self, irn: str, gstin: str) -> Registered | None:
        kept = self._read(irn)
        if kept is None:
            return None
        if kept["gstin"] != gstin:
            raise PortalRefused([PortalError("2143", "Invoice does not belong to the user GSTIN")])
        return _registered(kept)

    def cancel(self, irn: str, *, gstin: str, reason: int, remark: str) -> datetime:
        """Mark a registration of the last 24 hours as cancelled."""
        registered, now = self._find(irn, gstin), clock.now()
        if registered is None:
            raise PortalRefused([PortalError(NOT_FOUND, "Requested IRN data is not available")])
        if registered.cancelled_at is not None:
            raise PortalRefused([PortalError(NOT_ACTIVE, "Invoice is not active")])
        if now > registered.ack_at + WINDOW:
            message = "The allowed cancellation time limit is crossed, you cannot cancel the IRN"
            raise PortalRefused([PortalError(TOO_LATE_TO_CANCEL, message)])
        kept = {**(self._read(irn) or {}), "cancelled_at": _moment(now)}
        self._replace(irn, {**kept, "reason": reason, "remark": remark})
        return _instant(kept["cancelled_at"])

    def read(self, token: str) -> dict[str, Any]:
        """Verify the signature with the public half of the key."""
        try:
            public = jwk.RSAKey.import_key(self._key().as_dict(private=False))
            content = jws.deserialize_compact(token, public, algorithms=["RS256"]).payload
            answer: dict[str, Any] = loads(loads(content)["data"], parse_float=Decimal)
        except (ValueError, KeyError, TypeError, jose_errors.JoseError):
            raise BadPortalSignature("The portal has not signed this.") from None
        return answer

    def _sign(self, irn: str, document: Mapping[str, Any]) -> dict[str, str]:
        ack_no, ack_at = str(FIRST_ACK + int(irn[:16], 16) % ACKS), _moment(clock.now())
        head = {"AckNo": int(ack_no), "AckDt": ack_at, "Irn": irn}
        main = max(document["ItemList"], key=lambda item: item["AssAmt"])
        short = {
            "SellerGstin": document["SellerDtls"]["Gstin"],
            "BuyerGstin": document["BuyerDtls"]["Gstin"],
            "DocNo": document["DocDtls"]["No"],
            "DocTyp": document["DocDtls"]["Typ"],
            "DocDt": document["DocDtls"]["Dt"],
            "TotInvVal": document["ValDtls"]["TotInvVal"],
            "ItemCnt": len(document["ItemList"]),
            "MainHsnCode": main["HsnCd"],
            "Irn": irn,
            "IrnDt": ack_at,
        }
        return {
            "irn": irn,
            "gstin": document["SellerDtls"]["Gstin"],
            "ack_no": ack_no,
            "ack_at": ack_at,
            "signed_invoice": self._token({**head, **document}),
            "signed_qr": self._token(short),
        }

    def _token(self, data: Mapping[str, Any]) -> str:
        content = encode({"data": encode(data).decode(), "iss": ISSUER})
        token: str = jws.serialize_compact({"alg": "RS256", "typ": "JWT"}, content, self._key())
        return token

    def _key(self) -> Any:
        path = self._directory / "key.pem"
        if not path.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            made = jwk.RSAKey.generate_key(KEY_BITS).as_pem(private=True)
            with suppress(FileExistsError):
                _write_once(path, made)
        return jwk.RSAKey.import_key(path.read_bytes())

    def _duplicate(self, irn: str) -> DomainError:
        kept = self._read(irn) or {}
        if kept.get("cancelled_at"):
            message = "IRN is already generated and is cancelled for this document number"
            return PortalRefused([PortalError(CANCELLED_BEFORE, message)])
        return PortalRefused([PortalError(DUPLICATE, "Duplicate IRN")])

    def _keep(self, irn: str, kept: Mapping[str, Any]) -> None:
        _write_once(self._directory / f"{irn}.json", encode(kept))

    def _replace(self, irn: str, kept: Mapping[str, Any]) -> None:
        beside = self._directory / f".{irn}.{os.getpid()}"
        beside.write_bytes(encode(kept))
        os.replace(beside, self._directory / f"{irn}.json")

    def _read(self, irn: str) -> dict[str, Any] | None:
        try:
            kept: dict[str, Any] = loads((self._directory / f"{irn}.json").read_bytes())
        except FileNotFoundError:
            return None
        return kept


def _write_once(path: Path, content: bytes) -> None:
    """Write a file whole, or find that it is there.

    Raises:
        FileExistsError: somebody was first; theirs stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{id(content)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(beside, path)
    finally:
        beside.unlink()


def _registered(kept: Mapping[str, Any]) -> Registered:
    cancelled = kept.get("cancelled_at")
    return Registered(
        irn=kept["irn"],
        ack_no=kept["ack_no"],
        ack_at=_instant(kept["ack_at"]),
        signed_invoice=kept["signed_invoice"],
        signed_qr=kept["signed_qr"],
        cancelled_at=_instant(cancelled) if cancelled else None,
    )


def _error(code: str, message: str) -> PortalError:
    return PortalError(CODES.get(code, SCHEMA_ERROR), message)


def _moment(at: datetime) -> str:
    """Return an instant as the portal writes it, in India's time."""
    return at.astimezone(IST).strftime(MOMENT)


def _instant(text: str) -> datetime:
    return datetime.strptime(text, MOMENT).replace(tzinfo=IST)


@providers.register("sandbox")
def _open(settings: Settings) -> SandboxPortal:
    return SandboxPortal(settings.data_dir / "einvoices", accept_test=settings.accept_test_gstins)

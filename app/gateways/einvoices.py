"""The Invoice Registration Portal behind one Protocol, and the registry that names who asks it.

Every call either answers, or raises `PortalRefused` (a definite no, with the portal's own codes), or raises
`PortalUnavailable`: the outcome is unknown, and the portal is asked by the reference number before anything
is sent again. What it signs is believed only after its signature was verified.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.config import Settings
from app.errors import DomainError, Unavailable
from app.registry import Registry

# The portal's codes (einvoice1.gst.gov.in/others/geterrorcodes/INV) on which something depends here.
DUPLICATE = "2150"
NOT_FOUND = "2148"
TOO_LATE_TO_CANCEL = "2270"
CANCELLED_BEFORE = "2278"
NOT_ACTIVE = "9999"
DUPLICATES = frozenset({DUPLICATE, "2295"})


@dataclass(frozen=True, slots=True)
class PortalError:
    """One refusal in the portal's words."""

    code: str
    message: str


class PortalRefused(DomainError):
    """The portal answered no; `errors` are its reasons."""

    code = "einvoice_refused"
    status = 409

    def __init__(self, errors: Sequence[PortalError]) -> None:
        super().__init__(" ".join(f"{each.code}: {each.message}" for each in errors))
        self.errors = tuple(errors)

    @property
    def codes(self) -> frozenset[str]:
        """The portal's codes."""
        return frozenset(each.code for each in self.errors)


class PortalUnavailable(Unavailable):
    """The portal did not answer; whether it has registered the document is unknown until it is asked."""

    code = "einvoice_portal_unavailable"


class BadPortalSignature(DomainError):
    """What came back is not signed by the portal."""

    code = "bad_portal_signature"
    status = 502


@dataclass(frozen=True, slots=True)
class Registered:
    """What the portal knows of a document: its acknowledgement and two tokens that it has signed (RS256)."""

    irn: str
    ack_no: str
    ack_at: datetime
    signed_invoice: str
    signed_qr: str
    cancelled_at: datetime | None = None


class EInvoiceProvider(Protocol):
    """What services ask of whoever speaks with the portal."""

    name: str

    def register(self, document: Mapping[str, Any]) -> Registered:
        """Register an INV-01 document.

        Raises:
            PortalRefused: 2150 where it is registered already, else what is wrong with it.
            PortalUnavailable: the outcome is unknown.
        """

    def find(self, irn: str, *, gstin: str) -> Registered | None:
        """Return what is registered under a reference number by a seller, None where nothing is.

        Raises:
            PortalRefused, PortalUnavailable: no answer to that.
        """

    def cancel(self, irn: str, *, gstin: str, reason: int, remark: str) -> datetime:
        """Cancel a registration and return when that was. `reason` is 1 to 4 as the portal numbers them.

        Raises:
            PortalRefused: 2270 where its 24 hours are over, 9999 where it is cancelled already.
            PortalUnavailable: the outcome is unknown.
        """

    def read(self, token: str) -> dict[str, Any]:
        """Return what a signed token says, numbers as decimals.

        Raises:
            BadPortalSignature: the portal has not signed it.
        """


providers: Registry[Callable[[Settings], EInvoiceProvider]] = Registry("e-invoice provider")


def open_provider(name: str, settings: Settings) -> EInvoiceProvider:
    """Return a provider by its name.

    Raises:
        UnknownName: there is none of that name.
    """
    return providers[name](settings)

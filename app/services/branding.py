"""How the seller appears to customers: name, logo, colour, support address and the foot of documents.

The portal and mails show today's; a document keeps what was set when it was issued, in the seller's part of
its snapshot (`for_documents`), and its logo by SHA-256, so its bytes never change.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import joinedload

from app.db import db
from app.domain.colours import check_accent
from app.domain.errors import RuleBroken
from app.errors import NotFound
from app.gateways import logos
from app.ids import new_id
from app.models import Branding, BrandLogo
from app.permissions import Actor
from app.services import audit, cache, inputs
from app.services.inputs import optional, text

NAME, ACCENT = "OTPless Billing", "#1976d2"
KEPT_SECONDS = 300
MARK = "branding"
LONGEST_FOOTER = 120


def _accent(value: Any, pointer: str) -> str:
    if not isinstance(value, str):
        raise RuleBroken(pointer, "wrong_type", "Write # and six hexadecimal digits, such as #1976d2.")
    return check_accent(value, pointer)


READERS: dict[str, inputs.Reader] = {
    "name": text(60),
    "accent": _accent,
    "support_email": optional(inputs.email),
    "invoice_footer": optional(text(LONGEST_FOOTER)),
}


@dataclass(frozen=True, slots=True)
class Brand:
    """What customers see today; `logo` is the SHA-256 of the picture in hexadecimal digits."""

    name: str = NAME
    accent: str = ACCENT
    support_email: str | None = None
    invoice_footer: str | None = None
    logo: str | None = None


def current() -> Brand:
    """Return the brand of today; the product's own name and colour where none is set."""
    return cache.get_or_make(MARK, [MARK], KEPT_SECONDS, _current, Brand)


def _current() -> Brand:
    row = db.session.scalar(select(Branding).options(joinedload(Branding.logo)))
    if row is None:
        return Brand()
    digest = row.logo.sha256.hex() if row.logo else None
    return Brand(row.name, row.accent, row.support_email, row.invoice_footer, digest)


def save(
    values: Mapping[str, Any], *, logo: bytes | None = None, without_logo: bool = False, actor: Actor
) -> Branding:
    """Set the brand: all of `name`, `accent`, `support_email` and `invoice_footer`; a logo stays unless
    another is given or it is taken away.

    Raises:
        Invalid: with each field that cannot be used: a colour on which white text cannot be read, a picture
            that is no PNG or SVG or too big.
    """
    picture: list[Any] = []

    def look() -> None:
        with inputs.refusals():
            picture.extend(logos.read(logo) if logo else ())

    found, _ = inputs.together(lambda: inputs.read(values, READERS, required=("name", "accent")), look)
    row = db.session.scalar(select(Branding).with_for_update()) or Branding(id=1)
    for name in READERS:
        setattr(row, name, found.get(name))
    if picture:
        row.logo_id = _kept(*picture)
    elif without_logo:
        row.logo_id = None
    db.session.add(row)
    before, after = audit.changes(row)
    db.session.flush()
    if after:
        summary = "The branding was changed"
        audit.record(actor, "branding.changed", row, summary=summary, before=before, after=after)
    cache.changed([MARK])
    return row


def _kept(content_type: str, content: bytes) -> Any:
    digest = sha256(content).digest()
    there = db.session.scalar(select(BrandLogo.id).where(BrandLogo.sha256 == digest))
    if there is not None:
        return there
    made = BrandLogo(id=new_id(), sha256=digest, content_type=content_type, content=content)
    db.session.add(made)
    db.session.flush()
    return made.id


def picture(digest: str) -> tuple[str, bytes]:
    """Return the content type and the bytes of a logo by its SHA-256 in hexadecimal digits.

    Raises:
        NotFound: there is none.
    """
    try:
        wanted = bytes.fromhex(digest)
    except ValueError:
        raise NotFound("There is no such logo.") from None
    row = db.session.scalar(select(BrandLogo).where(BrandLogo.sha256 == wanted))
    if row is None:
        raise NotFound("There is no such logo.")
    return row.content_type, row.content


def for_documents() -> ScalarSelect[Any]:
    """Return the expression of what an issued document keeps of the brand, null where none is set; it costs
    the statement that reads the seller nothing."""
    of_logo = select(func.encode(BrandLogo.sha256, "hex")).where(BrandLogo.id == Branding.logo_id)
    pairs = ("accent", Branding.accent, "footer", Branding.invoice_footer, "logo", of_logo.scalar_subquery())
    return select(func.jsonb_build_object(*pairs)).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What the templates of documents show of a brand: `logo` is where the picture is."""

    accent: str = "#1b2a41"
    footer: str | None = None
    logo: str = "logo.svg"


def letterhead(kept: Mapping[str, Any] | None) -> Letterhead:
    """Return the look of a document from what its snapshot keeps; documents of before have the first look."""
    if not kept:
        return Letterhead()
    look = {"accent": kept["accent"], "footer": kept["footer"]}
    if kept["logo"] is None:
        return Letterhead(**look)
    content_type, content = picture(kept["logo"])
    return Letterhead(**look, logo=f"data:{content_type};base64,{b64encode(content).decode()}")

"""How the seller appears to customers; the logo is given on the screen."""

from typing import Annotated, Any

from flask import Blueprint, Response

from app.api.body import Body, Meta
from app.api.endpoint import endpoint
from app.api.envelope import resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.services import branding

blueprint = Blueprint("branding", __name__)

WHAT = "The branding"


class NewBranding(Body):
    """All of it: what is left out is taken away, but for the logo."""

    name: Annotated[str, Meta(max_length=60, description="In the portal and in mails")]
    accent: Annotated[str, Meta(description="Such as #1976d2; white text on it has a contrast of 4.5")]
    support_email: Annotated[str | None, Meta(description="RFC 5322")] = None
    invoice_footer: Annotated[str | None, Meta(description="At most 120 characters")] = None


@blueprint.get("/branding")
@guard("settings", "read")
@endpoint("Read the branding", answers="branding")
def read_branding() -> Response:
    """What customers see today; `logo` is the SHA-256 of the picture at `/brand/<logo>/logo`."""
    need_staff(WHAT)
    return success(_brand())


@blueprint.put("/branding")
@guard("settings", "write")
@idempotent
@endpoint("Set the branding", body=NewBranding, answers="branding")
def set_branding(body: NewBranding) -> Response:
    """Documents that are issued already stay as they are."""
    need_staff(WHAT)
    values = {name: getattr(body, name) for name in branding.READERS}
    branding.save(values, actor=current_actor())
    return success(_brand())


def _brand() -> dict[str, Any]:
    brand = branding.current()
    names = ("name", "accent", "support_email", "invoice_footer", "logo")
    return resource("branding", "current", {name: getattr(brand, name) for name in names})

"""How the seller appears in the portal, and the logo itself."""

from flask import Blueprint, Response

from app.portal.guard import blueprint as portal
from app.services import branding

# The picture of mails and of the sign-in page has no session: it is public, and named by its content.
blueprint = Blueprint("brand", __name__, url_prefix="/brand")
YEAR = 31_536_000


@portal.context_processor
def brand() -> dict[str, object]:
    """Give the templates the brand of today."""
    return {"brand": branding.current()}


@blueprint.get("/<digest>/logo")
def logo(digest: str) -> Response:
    """Send a logo; shown as a picture alone, it runs nothing."""
    content_type, content = branding.picture(digest)
    answer = Response(content, mimetype=content_type)
    answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'none'; sandbox"
    answer.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    return answer

"""Who is at the desk: the staff member as an `Actor`, and the one gate that every route of the back office
passes.
"""

from flask_login import current_user

from app.errors import Forbidden, StepUpRequired, Unauthorized
from app.permissions import STAFF, Actor, Role, Verb, allows


def current_actor() -> Actor:
    """Return the signed-in person as the audit trail will name them.

    Raises:
        Unauthorized: nobody is signed in.
    """
    if not current_user.is_authenticated:
        raise Unauthorized("Sign in to continue.")
    actor: Actor = current_user.actor()
    return actor


def may(resource: str, verb: Verb) -> bool:
    """Tell whether the person who is looking may do `verb` to `resource` here; customers never may."""
    # Resolved once: a page asks for every link.
    user = current_user._get_current_object()
    if not user.is_authenticated:
        return False
    role = Role(user.role)
    return role in STAFF and allows(role, resource, verb)


def require(resource: str, verb: Verb) -> None:
    """Let staff with the right pass.

    Raises:
        Unauthorized: nobody is signed in.
        Forbidden: a customer, or a role without this right.
    """
    current_actor()
    if not may(resource, verb):
        raise Forbidden("Your role does not allow this. Ask a super admin if you need it.")


def require_recent_sign_in(back: str = "") -> None:
    """Let pass whoever signed in a short while ago (STEP_UP_MINUTES); `back` is the page to come back to, by
    default the one that was asked for.

    Raises:
        StepUpRequired: the sign-in is older.
    """
    if not current_user.signed_in_recently:
        raise StepUpRequired(back)

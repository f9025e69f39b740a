"""What a person chooses for themselves: name, language, time zone, theme, and what they are told of."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.db import db
from app.errors import Invalid
from app.languages import LANGUAGES
from app.models import Customer, User
from app.permissions import Actor, Role
from app.services import audit, inputs, notifications


class Theme(StrEnum):
    """How the pages look; `system` follows the machine."""

    light = "light"
    dark = "dark"
    system = "system"


Language = StrEnum("Language", {name: name for name in LANGUAGES})  # type: ignore[misc]

READERS: dict[str, inputs.Reader] = {
    "name": inputs.text(200),
    "language": inputs.optional(inputs.choice(Language)),
    "timezone": inputs.timezone,
    "theme": inputs.optional(inputs.choice(Theme)),
}
COLUMNS = {"language": "locale"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One kind of notification as a person chose it; what is `fixed` cannot be turned off."""

    kind: str
    title: str
    in_product: bool
    mail: bool
    in_product_fixed: bool
    mail_fixed: bool


Wanted = Mapping[str, Mapping[str, bool]]


def change(user: User, values: Mapping[str, Any], wanted: Wanted | None = None, *, actor: Actor) -> User:
    """Change what `values` names of a person's own `name`, `language`, `timezone` and `theme`, and for each
    kind of notification in `wanted` whether it is told `in_product` and by `mail`; what is left out stays.
    None as language follows the browser; what others set, such as role and address, cannot be changed here.
    All of it leaves one audit record.

    Raises:
        Invalid: with every value that cannot be used, or because there is no such kind, it is not for this
            person, or it cannot be turned off.
    """
    found = inputs.read(values, READERS)
    for name, value in found.items():
        setattr(user, COLUMNS.get(name, name), None if value is None else str(value))
    before, after = audit.changes(user)
    off, on = _choose(user, wanted or {})
    before, after = {**before, **off}, {**after, **on}
    if after:
        summary = f"{user.name} changed the own preferences"
        audit.record(actor, "user.preferences_changed", user, summary=summary, before=before, after=after)
    return user


def choices(user: User) -> list[Choice]:
    """Return what a person is told of, and how. Mails of a customer go to the customer's address, so all its
    people share that choice.
    """
    shown, mails = notifications.shown(user), notifications.preferences(_mail_owner(user))
    customer = user.role is Role.customer
    return [
        Choice(name, kind.title, shown[name], mails[name], kind.always, kind.always and customer)
        for name, kind in notifications.kinds_for(user.role).items()
    ]


def _choose(user: User, wanted: Wanted) -> tuple[dict[str, bool], dict[str, bool]]:
    """Set what notifications come, and how; return what was changed, as it was and as it is now."""
    held = {one.kind: one for one in choices(user)}
    before: dict[str, bool] = {}
    after: dict[str, bool] = {}
    for kind, channels in wanted.items():
        if kind not in held:
            known = ", ".join(held)
            raise Invalid.at(f"/notifications/{kind}", f"Choose of: {known}.", code="unknown_choice")
        for channel, on in channels.items():
            if getattr(held[kind], channel) is on:
                continue
            if getattr(held[kind], f"{channel}_fixed"):
                message = f"{held[kind].title}: this cannot be turned off."
                raise Invalid.at(f"/notifications/{kind}/{channel}", message, code="always_on")
            before[f"{kind} {channel}"], after[f"{kind} {channel}"] = not on, on
            owner = _mail_owner(user) if channel == "mail" else user
            notifications.prefer(owner, kind, **{channel: on})
    return before, after


def _mail_owner(user: User) -> Customer | User:
    if user.customer_id is None:
        return user
    return db.session.get_one(Customer, user.customer_id)

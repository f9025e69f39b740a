"""The table of screens: which model is shown by which class, under which heading and with whose permission.

`@screen(Invoice, category="Billing")` enters a screen. A mapped model that nobody entered still gets a safe
one (`admin_views.site`): read-only, and for super admins alone, because no permission names it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from app.db import Base
from app.permissions import TABLE
from app.registry import Registry

S = TypeVar("S", bound=type)

SCREENS: Registry[Any] = Registry("screen")

# The headings of the sidebar, what is opened most often first, and the resource of `app.permissions` that
# guards them unless a screen names another.
CATEGORIES = {
    "Customers": "customers",
    "Billing": "billing",
    "Wallets": "wallets",
    "Usage": "usage",
    "Catalog": "catalog",
    "Operations": "operations",
    "Settings": "settings",
    "Other data": "",
}


def screen(
    model: type[Base],
    *,
    category: str,
    resource: str = "",
    slug: str = "",
    title: str = "",
    icon: str = "table",
    place: int = 50,
    listed: bool = True,
) -> Callable[[S], S]:
    """Return a decorator that enters a screen for `model` at `/admin/<slug>/`, by default the table's name.

    `place` orders the sidebar; a screen that is not `listed` there is reached from the records it belongs to.

    Raises:
        ValueError: the category or the permission's resource does not exist.
    """
    guard = resource or CATEGORIES.get(category, "")
    if category not in CATEGORIES or (guard not in TABLE and category != "Other data"):
        raise ValueError(
            f"The screen of {model.__name__} has category {category!r} and "
            f"resource {guard!r}: one of them is unknown."
        )

    def enter(cls: S) -> S:
        cls.declared = {  # type: ignore[attr-defined]
            "model": model,
            "category": category,
            "resource": guard,
            "slug": slug or model.__tablename__.replace("_", "-"),
            "title": title,
            "icon": icon,
            "place": place,
            "listed": listed,
        }
        return SCREENS.register(model.__name__)(cls)  # type: ignore[no-any-return]

    return enter

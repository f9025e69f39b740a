"""What pages keep closed until somebody asks for it, such as dialogs and menus, and how each is opened."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

DESK, TELEPHONE = 1440, 375
BOTH = (DESK, TELEPHONE)


@dataclass(frozen=True, slots=True)
class Opening:
    """Something closed on the page at `path`, what opens it, and the element that is then to be seen."""

    name: str
    path: str
    open: Callable[[Page], None]
    region: str
    widths: tuple[int, ...] = BOTH


def click(*selectors: str) -> Callable[[Page], None]:
    """Return what clicks one element after the other, each the first of its kind."""

    def act(page: Page) -> None:
        for selector in selectors:
            page.locator(selector).first.click()

    return act


def press(key: str) -> Callable[[Page], None]:
    """Return what presses a key."""
    return lambda page: page.keyboard.press(key)


def write(selector: str, text: str) -> Callable[[Page], None]:
    """Return what writes into a field."""
    return lambda page: page.locator(selector).first.fill(text)


SIDEBAR = Opening("sidebar", "", click("[data-bs-toggle=offcanvas]"), "#sidebar", (TELEPHONE,))
ACCOUNT = Opening("account menu", "", click(".user-button"), ".user-menu.show")
STAFF = (
    SIDEBAR,
    ACCOUNT,
    Opening("keyboard help", "", press("?"), "#shortcuts-dialog"),
    Opening(
        "search",
        "",
        write("[data-global-search] input", "Kaveri"),
        "[data-global-search]:has([aria-expanded=true])",
    ),
    Opening("selection", "customers/", click("[data-select-all]"), "[data-bulk-bar]"),
    Opening("edited cell", "customers/", click("[data-inline-edit]"), "td[data-inline]:has(.form-control)"),
    Opening(
        "saved filters",
        "customers/?status=active",
        click("[data-saved-filters] summary"),
        "[data-saved-body] form",
    ),
    Opening(
        "look-up",
        "invoices/",
        write("[data-lookup] [role=combobox]", "Kaveri"),
        "[data-lookup]:has([aria-expanded=true])",
    ),
    Opening("drawer", "usage-events/", click("[data-drawer] a.row-link"), "#drawer .record"),
    Opening(
        "confirmation",
        "customers/details/",
        click(".page-actions [data-bs-toggle=dropdown]", ".dropdown-menu.show [data-confirm] button"),
        "#confirm-dialog",
    ),
    Opening(
        "record menu",
        "wallets/details/",
        click(".page-actions [data-bs-toggle=dropdown]"),
        ".page-actions .dropdown-menu.show",
    ),
)
CUSTOMER = (SIDEBAR, ACCOUNT)

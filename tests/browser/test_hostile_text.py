"""Three thousand texts that want to be scripts, in every field that takes text, on every page of it."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, Response

from app.models import User
from tests.browser.addresses import first_records, staff_addresses
from tests.browser.conftest import CUSTOMER, SUPER_ADMIN, Enter
from tests.browser.payloads import COUNT, named_in, payloads
from tests.browser.planting import Planter
from tests.browser.survey import IDENTITY
from tests.support.browser import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.processes]

# What its own rules, or the check of a foreign key, keep closed: signatures, hashes, a colour.
CLOSED = {
    "api_key_secrets.key_service",
    "branding.accent",
    "einvoices.ack_no",
    "einvoices.failure",
    "einvoices.irn",
    "einvoices.signed_invoice",
    "einvoices.signed_qr",
    "price_components.group_by",
    "tds_receivables.certificate_number",
}
TRAP = "window.hits = []; window.hit = (number) => window.hits.push(number);"
# What no page of ours has: a handler or a script's address in an attribute, an element of the families, and a
# script, a style or a frame that did not come as a file of ours.
FOREIGN = """() => {
    const places = ["href", "src", "action", "formaction", "xlink:href", "data", "srcdoc", "background"];
    const script = /^[\\s\\x00-\\x1f]*(javascript|vbscript|data):/i;
    const acts = ({name, value}) => name.startsWith("on") || (places.includes(name) && script.test(value));
    const stranger = /^[\\s\\\\]*(https?:)?[/\\\\]{2}canary/i;
    const leads = ({name, value}) => places.includes(name) && stranger.test(value);
    const odd = "xss, marquee, isindex, portal, math, object, embed, base, iframe, video, audio, style, "
        + "script:not([src]), [srcset], [srcdoc]";
    const wrong = (one) => [...one.attributes].some((each) => acts(each) || leads(each));
    const found = [...document.querySelectorAll("*")].filter(wrong);
    return [...found, ...document.querySelectorAll(odd)].map((one) => one.outerHTML.slice(0, 200));
}"""


class Watch:
    """Opens pages; keeps what ran, what was asked for elsewhere, and which payloads were there to be seen."""

    def __init__(self, page: Page, home: str) -> None:
        self.page, self.home = page, home
        self.shown: set[int] = set()
        self.problems: list[str] = []
        page.add_init_script(TRAP)
        page.on("dialog", lambda dialog: self._note(f"a dialog: {dialog.message}"))
        page.on("pageerror", lambda error: self._note(f"script error: {error}"))
        page.on("console", self._hear)
        page.on("request", self._ask)
        page.on("response", self._check)

    def open(self, address: str) -> None:
        """Open a page and look what became of it."""
        self.page.goto(address, wait_until="domcontentloaded")
        self.look()

    def look(self) -> None:
        """Look at the page as it is now, its templates and what its scripts made included."""
        self.shown |= named_in(self.page.content())
        for what in self.page.evaluate(FOREIGN):
            self._note(f"foreign: {what}")
        if hits := self.page.evaluate("window.hits"):
            self._note(f"payloads ran: {hits}")

    def _ask(self, request: Request) -> None:
        if not request.url.startswith((f"{self.home}/", "data:image/", "blob:")):
            self._note(f"asked for {request.url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.text)

    def _check(self, answer: Response) -> None:
        if answer.status >= 400:
            self._note(f"{answer.status} for {answer.url}")

    def _note(self, what: str) -> None:
        self.problems.append(f"{IDENTITY.sub('…', urlsplit(self.page.url).path)}: {what}")


def test_three_thousand_hostile_texts_are_shown_and_none_runs(office: LiveServer, enter: Enter) -> None:
    pages = staff_addresses(office, SUPER_ADMIN)
    desk, portal = Watch(enter(SUPER_ADMIN), office.url), Watch(enter(CUSTOMER), office.url)
    planter = plant(office)
    assert (len(planter.planted), planter.closed - CLOSED) == (COUNT, set())
    for address in pages:
        desk.open(address)
    for address in ("/", "/usage", "/notifications", "/wallets", "/invoices"):
        portal.open(f"{office.url}/portal{address}")
    portal.open(portal.page.locator("main a[href^='/portal/invoices/']").first.evaluate("link => link.href"))
    assert (desk.problems, portal.problems) == ([], [])
    unseen = [text for number, text in enumerate(payloads()) if number not in desk.shown]
    assert {planter.planted[text] for text in unseen} == set()
    assert portal.shown != set()


def plant(office: LiveServer) -> Planter:
    """Fill the first row of every screen; people keep their names, for they have to sign in."""
    with office.database.app() as application, office.database.connect() as connection:
        planter = Planter(connection, payloads())
        for model in application.extensions["admin_screens"]:
            if model is not User:
                planter.plant(first_records(model))
    return planter

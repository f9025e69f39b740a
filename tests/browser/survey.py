"""Walks over pages and notes what is wrong with each: what axe-core finds in light and in dark, what the
console says, what the policy refuses, what is wider than the window.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Response, ViewportSize

from tests.browser.openings import Opening

# The frame of every page is read with the first one.
FRAME = {"exclude": [["aside.sidebar"], ["header.topbar"]]}
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
# A theme changes colours only, and those come from classes: in the second one a page is read where it has
# classes that nothing before it had.
COLOURS = {"type": "rule", "values": ["color-contrast"]}
SHOWN = 3
READ = """async ({only, shown, where}) => {
    const {violations} = await axe.run(where, {runOnly: only, resultTypes: ["violations"]});
    const told = ({target, html, any, all, none}) => [target.join(" "), html.slice(0, 160),
        ...[...any, ...all, ...none].map((check) => check.message)].join(" ");
    return violations.map(({id, nodes}) => [id, nodes.length, nodes.slice(0, shown).map(told)]);
}"""
PAINT = """async (theme) => {
    document.documentElement.dataset.bsTheme = theme;
    const changing = document.getAnimations().filter((one) => one instanceof CSSTransition);
    await Promise.all(changing.map((one) => one.finished.catch(() => {})));
}"""
CLASSES = """() => [...new Set([...document.querySelectorAll("main *, body > *, dialog *")].map(
    (one) => `${one.parentElement.className} > ${one.localName}.${one.className}`))]"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LINKS = "links => links.filter(link => !link.hasAttribute('download')).map(link => link.href)"
DESK: ViewportSize = {"width": 1440, "height": 900}
NARROW: tuple[ViewportSize, ...] = ({"width": 768, "height": 1024}, {"width": 375, "height": 800})
IDENTITY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")
# What a link may lead to that is no page: files, and what scripts ask for.
NO_PAGE = re.compile(
    r"/(pdf|csv|json|xlsx|export|download|ajax|static)(/|$)|/openapi|\.json$|^/rq/|/sign-out"
)


def kind_of(address: str) -> str:
    """Return an address without what makes it one record's: pages of a kind are built by the same code."""
    return IDENTITY.sub("…", urlsplit(address).path)


@dataclass
class Survey:
    """What was looked at, by kind, and what was found."""

    page: Page
    home: str
    seen: dict[str, str] = field(default_factory=dict)
    painted: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(DESK)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._note(f"script error: {error}"))
        self.page.on("response", self._check)

    def walk(self, addresses: Iterable[str]) -> None:
        """Look at pages and at every kind of page that they lead to."""
        waiting = list(addresses)
        while waiting:
            address = waiting.pop(0)
            if kind_of(address) in self.seen or NO_PAGE.search(urlsplit(address).path):
                continue
            waiting += self.look(address)

    def look(self, address: str) -> list[str]:
        """Look at a page in both themes and three widths; return where its links lead within the product."""
        self.seen[kind_of(address)] = address
        self.page.goto(address)
        if self.page.locator("h1").count() != 1:
            self._note(f"{self.page.locator('h1').count()} main headings")
        self.read()
        for window in NARROW:
            self.page.set_viewport_size(window)
            self._measure(f"at {window['width']}")
        self.page.set_viewport_size(DESK)
        links = self.page.locator("a[href]").evaluate_all(LINKS)
        return [link for link in links if link.startswith(f"{self.home}/")]

    def open(self, one: Opening, pages: Iterable[str]) -> None:
        """Open what the first page of its kind keeps closed, and let axe read it at each of its widths."""
        address = next((page for page in pages if page.startswith(f"{self.home}/{one.path}")), None)
        self._widen(one.widths[0])
        self.page.goto(address or f"{self.home}/{one.path}")
        self.page.evaluate(AXE)
        one.open(self.page)
        for width in one.widths:
            self._widen(width)
            self.page.locator(one.region).first.wait_for()
            for theme, rules in (("light", WCAG), ("dark", COLOURS)):
                self.page.evaluate(PAINT, theme)
                self._run(f"{one.name} at {width}, {theme}", rules, {"include": [[one.region]]})
            self._measure(f"at {width} with its {one.name}")
        self.page.set_viewport_size(DESK)

    def read(self, *, whole: bool = False) -> None:
        """Let axe read what is on the page now, in light and, where something is new, in dark."""
        self.page.evaluate(AXE)
        where = {} if whole or len(self.seen) < 2 else FRAME
        self._run("light", WCAG, where)
        classes = set(self.page.evaluate(CLASSES))
        if where == FRAME and classes <= self.painted:
            return
        self.painted |= classes
        self.page.evaluate(PAINT, "dark")
        self._run("dark", COLOURS, where)
        self.page.evaluate(PAINT, "light")

    def _run(self, theme: str, rules: dict[str, Any], where: dict[str, Any]) -> None:
        found = self.page.evaluate(
            READ, {"only": rules, "shown": SHOWN, "where": where or {"include": [["html"]]}}
        )
        for rule, count, examples in found:
            self._note(f"{theme}: {rule}, {count} times: " + "".join(f"\n    {one}" for one in examples))

    def _widen(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": DESK["height"]})

    def _measure(self, when: str) -> None:
        if (excess := self.page.evaluate(TOO_WIDE)) != 0:
            self._note(f"{excess} px too wide {when}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._note(f"console: {message.text}")

    def _check(self, answer: Response) -> None:
        if answer.status >= 400:
            self._note(f"{answer.status} for {answer.url}")

    def _note(self, what: Any) -> None:
        self.problems.append(f"{self.page.url.removeprefix(self.home)}: {what}")

"""Takes the pictures of docs/pictures from a running product with its demonstration:

make run PORT=8100 DATA=/tmp/pictures
python -m tests.browser.pictures http://127.0.0.1:8100
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from app import clock
from tests.support.browser import ARGUMENTS, CHROMIUM

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
COLOURS = 256
ZONE = ZoneInfo("Asia/Kolkata")
WINDOW: ViewportSize = {"width": 1280, "height": 800}
TALL: ViewportSize = {"width": 1280, "height": 1000}


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as somebody sees it: `follow` names links of the page that lead to the one that is shown."""

    name: str
    who: str
    path: str
    follow: tuple[str, ...] = ()
    theme: str = "light"


ROW = "main tbody .row-link"
PICTURES = (
    Picture("dashboard-light", "Ananya Rao", "/admin/"),
    Picture("customer-light", "Meera Iyer", "/admin/customers/?search=Kaveri", (ROW,)),
    Picture("invoice-dark", "Meera Iyer", "/admin/invoices/", (ROW,), "dark"),
    Picture("wallet-light", "Meera Iyer", "/admin/wallets/", (ROW,)),
    Picture("plan-light", "Ananya Rao", "/admin/plans/", (ROW,)),
    Picture("audit-light", "Ananya Rao", "/admin/audit/"),
    Picture("portal-light", "Vikram Shah", "/portal/"),
)


def save(name: str, shot: bytes) -> None:
    """Keep a screenshot with as many colours as it needs."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    target = FOLDER / f"{name}.png"
    picture.save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size // 1000} kB")


def sit_down(browser: Browser, home: str, who: str, theme: str = "light") -> Page:
    """Return a page with somebody signed in."""
    page = browser.new_page(
        viewport=WINDOW,
        color_scheme=theme,  # type: ignore[arg-type]
        locale="en-IN",
        timezone_id="Asia/Kolkata",
    )
    page.goto(f"{home}/sign-in")
    page.get_by_role("button", name=who).click()
    page.wait_for_load_state("networkidle")
    return page


def take(browser: Browser, home: str, wanted: Picture) -> None:
    """Take one picture."""
    page = sit_down(browser, home, wanted.who, wanted.theme)
    page.goto(f"{home}{wanted.path}")
    for link in wanted.follow:
        page.goto(f"{home}{page.locator(link).first.get_attribute('href')}")
    page.wait_for_load_state("networkidle")
    save(wanted.name, page.screenshot(animations="disabled"))
    page.close()


def generate(browser: Browser, home: str) -> None:
    """Take the pictures of an invoice that is made, step by step (specification 6.3.3)."""
    page = sit_down(browser, home, "Meera Iyer")
    page.set_viewport_size(TALL)
    page.goto(f"{home}/admin/invoices/generate/")
    page.get_by_role("combobox", name="Account").press_sequentially("Kaveri")
    page.get_by_role("option").first.click()
    today = clock.now().astimezone(ZONE).date()
    page.get_by_label("First day").fill(today.replace(day=1).isoformat())
    page.get_by_label("Last day").fill(today.isoformat())
    page.keyboard.press("Tab")
    save("generate-1-period-light", page.screenshot())
    page.get_by_role("button", name="Add line item").click()
    for label, text in (
        ("Description", "Training of the support team"),
        ("Quantity", "2"),
        ("Unit price", "500"),
    ):
        page.get_by_label(label).fill(text)
    page.keyboard.press("Tab")
    page.locator("[data-preview-total]").wait_for()
    save("generate-2-preview-light", page.screenshot())
    page.get_by_role("button", name="Generate", exact=True).click()
    save("generate-3-question-light", page.screenshot())
    page.get_by_role("dialog").get_by_role("button", name="Generate").click()
    page.wait_for_url("**/details/**")
    save("generate-4-issued-light", page.screenshot())
    page.close()


def main() -> None:
    """Take all pictures, or those whose names are given after the address."""
    home, *names = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for wanted in PICTURES:
            if not names or wanted.name in names:
                take(browser, home.rstrip("/"), wanted)
        if not names or "generate" in names:
            generate(browser, home.rstrip("/"))
        browser.close()


if __name__ == "__main__":
    main()

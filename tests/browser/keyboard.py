"""Somebody without a mouse: Tab, Enter, Space, arrows and letters, and never a place that is not seen."""

from playwright.sync_api import Page

MOST_STEPS = 150
# What a person would call the element that has the focus, and whether it shows that it has.
FOCUSED = """() => {
    const one = document.activeElement;
    const style = getComputedStyle(one);
    const label = one.labels?.[0]?.textContent ?? "";
    const name = one.getAttribute("aria-label") || label || one.textContent || one.value || "";
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    const marked = ring || style.boxShadow !== "none";
    const box = one.getBoundingClientRect();
    return {
        name: name.replace(/\\s+/g, " ").trim(),
        seen: one !== document.body && marked && box.width > 0 && box.height > 0,
    };
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element of that name has the focus; every stop on the way has to show its focus.

    Raises:
        AssertionError: it is not reached, or a stop does not show that it has the focus.
    """
    stops: list[str] = []
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        stops.append(found["name"])
        assert found["seen"], f"the focus is not to be seen at {stops}"
        if found["name"] == name:
            return
    raise AssertionError(f"{name!r} was not reached by Tab: {stops}")

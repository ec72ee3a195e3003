"""Accessibility that a machine can check below one element: names, Tab, visible focus, contrast."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator

SCRIPT = Path(__file__).with_suffix(".js").read_text("utf-8")
ROLES = (
    "button|link|textbox|combobox|listbox|option|checkbox|radio|switch|tab|menuitem|slider|spinbutton|searchbox"
)
OUTSIDE = -2
NAMELESS = re.compile(rf"^\s*- (?:{ROLES})(?: \[[^\]]*\])*:?\s*$", re.MULTILINE)


def problems(root: Locator, *, keyboard: bool = True) -> str:
    """Return what is wrong below an element, one problem a line; without `keyboard` only names and contrast."""
    never, unseen = unreachable(root) if keyboard else ([], [])
    found = [f"without a name: {line.strip()}" for line in nameless(root)]
    found += [f"faint: {words}" for words in faint(root)]
    found += [f"not reached with Tab: {words}" for words in never]
    found += [f"focus cannot be seen: {words}" for words in unseen]
    return "\n".join(found)


def nameless(root: Locator) -> list[str]:
    """Return the controls without an accessible name, as lines of the accessibility tree."""
    return NAMELESS.findall(root.aria_snapshot())


def faint(root: Locator) -> list[str]:
    """Return texts whose contrast with their background is below WCAG AA (4.5:1, large text 3:1).

    The colours of code are the theme's, and not looked at.
    """
    return list(root.evaluate(f"root => ({SCRIPT}).faint(root)"))


def unreachable(root: Locator) -> tuple[list[str], list[str]]:
    """Press Tab from the first control on; return those never reached, and those whose focus cannot be seen.

    Escape goes before Tab in editors: it is how people leave those that keep Tab for themselves.
    """
    page = root.page
    root.locator("button:visible, input:visible, select:visible").first.wait_for()  # it may be drawn anew just now
    controls: list[str] = root.evaluate(f"root => ({SCRIPT}).controls(root)")
    assert controls, "there is no control"
    root.locator("[data-reach='0']").focus()
    page.keyboard.press("Shift+Tab")  # the focus is only shown to people who use the keyboard
    page.keyboard.press("Tab")
    reached: set[int] = set()
    unseen: list[str] = []

    def look() -> int:
        at: int = root.evaluate(f"root => ({SCRIPT}).focused(root)")
        if at >= 0 and at not in reached:
            reached.add(at)
            if not root.evaluate(f"() => ({SCRIPT}).outlined()"):
                unseen.append(controls[at])
        return at

    def editing() -> bool:
        return bool(root.evaluate(f"() => ({SCRIPT}).editing()"))

    for _ in range(2 * len(controls) + 10):
        at = look()
        if at == OUTSIDE and reached:
            break
        if editing():
            page.keyboard.press("Escape")
        if look() != at:  # what stands between the editor and where Escape goes
            page.keyboard.press("Shift+Tab")
            look()
            page.keyboard.press("Escape" if editing() else "Tab")
        page.keyboard.press("Tab")
    return [words for at, words in enumerate(controls) if at not in reached], unseen

"""Accessibility: what axe-core has against a page, by the rules of WCAG 2.2 AA."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from playwright.sync_api import Page, expect

from tests.web import tools

Theme = Literal["light", "dark"]
Look = tuple[Theme, int]
"""A theme, and the width of the window in pixels."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


WIDE, NARROW = 1440, 360
ALL_LOOKS: tuple[Look, ...] = (("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW))
TWO_LOOKS: tuple[Look, ...] = (("light", WIDE), ("dark", NARROW))


def problems(page: Page, looks: Sequence[Look] = ALL_LOOKS) -> list[str]:
    """What breaks a rule, and what is too wide for the window, in each of these themes and widths."""
    return [
        f"{theme}, {width} pixels: {problem}" for theme, width in looks for problem in _problems(page, theme, width)
    ]


def _problems(page: Page, theme: Theme, width: int) -> list[str]:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(page.locator(".loading")).to_have_count(0)
    page.evaluate(_TRANSITIONS_END)
    needed = page.evaluate("document.documentElement.scrollWidth")
    return violations(page) + ([f"the page needs {needed} pixels"] if needed > width else [])


def violations(page: Page) -> list[str]:
    """A line for each element that breaks a rule."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())
    # Of what keeps the rules it would otherwise describe every element too, which takes longer than the rules.
    run = "(rules) => axe.run({ runOnly: rules, resultTypes: ['violations'] })"
    result: dict[str, Any] = page.evaluate(run, RULES)
    return [
        f"{violation['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


_TRANSITIONS_END = """Promise.allSettled(document.getAnimations()
    .filter((animation) => animation instanceof CSSTransition).map((transition) => transition.finished))"""
"""Until then, colors and sizes are between those of one look and those of the next."""


@cache
def _source() -> str:
    tools.install()
    return (tools.MODULES / "axe-core" / "axe.min.js").read_text()

"""Accessibility: what axe-core has against a page, by the rules of WCAG 2.2 AA."""

from functools import cache
from typing import Any

from playwright.sync_api import Page

from tests.web import tools

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """A line for each element that breaks a rule."""
    page.evaluate(_source())
    result: dict[str, Any] = page.evaluate("(rules) => axe.run({ runOnly: rules })", RULES)
    return [
        f"{violation['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


@cache
def _source() -> str:
    tools.install()
    return (tools.MODULES / "axe-core" / "axe.min.js").read_text()

"""The Python examples in the pages of the documentation."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

PAGES = ("README.md", "client/README.md", "docs/client.md", "docs/live.md", "docs/recorder.md", "docs/results.md")
FENCE = re.compile(r"^```(?P<kind>[^\n`]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


class Example(NamedTuple):
    """A block of Python, and what follows it."""

    kind: str
    line: int
    """Its first line in the page."""
    text: str
    output: str | None
    """What it prints: the block of text after it, if there is one."""
    shown: dict[int, str]
    """The repr of expressions, by their lines: the comments after them."""


def examples(page: Path) -> list[Example]:
    """The examples of a page, in their order."""
    text = page.read_text()
    blocks = list(FENCE.finditer(text))
    page_examples = []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block["kind"].split()[:1] == ["python"]:
            has_output = following and following["kind"] == "text" and not text[block.end() : following.start()].strip()
            output = following["text"] if following and has_output else None
            line = text[: block.start()].count("\n") + 2
            page_examples.append(Example(block["kind"], line, block["text"], output, shown(block["text"], line)))
    return page_examples


def commented(text: str) -> list[tuple[ast.Expr, str]]:
    """The expressions at the left margin that have a comment after them."""
    lines = text.splitlines()
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Expr) and node.end_col_offset is not None]
    tails = [lines[(node.end_lineno or 1) - 1].encode()[node.end_col_offset :].decode().strip() for node in nodes]
    return [(node, tail[2:]) for node, tail in zip(nodes, tails, strict=True) if tail.startswith("# ")]


def shown(text: str, first: int) -> dict[int, str]:
    """What the comments after expressions say of them."""
    return {first + node.lineno - 1: comment for node, comment in commented(text)}


def program(page_examples: list[Example], show: str, end: str = "") -> str:
    """The examples as one program, in which each line is where it is in the page.

    Args:
        page_examples: The examples of a page.
        show: What is done with an expression that has a comment after it: a format with its `value` and its `line`.
        end: A statement after each example.
    """
    lines: list[str] = []
    for example in page_examples:
        tree = commented(example.text)
        own = example.text.splitlines()
        for node, _ in tree:
            before, after = show.replace("{line}", str(example.line + node.lineno - 1)).split("{value}")
            own[node.lineno - 1] = before + own[node.lineno - 1]
            last = (node.end_lineno or 1) - 1
            own[last] = own[last].rpartition("  # ")[0] + after
        lines += [""] * (example.line - 1 - len(lines))
        lines += [*own, end]
    return "\n".join(lines)

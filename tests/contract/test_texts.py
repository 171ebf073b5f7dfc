"""The texts of the document, of errors and of the command line have no phrase that sounds translated."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRANSLATED = re.compile(
    r"\bcan not\b|\bonly those of which\b"
    r"|(?<!\bthere )\b(?:is|are) no (?:age|field|file|id|JSON|name|number|path|time)\b"
    r"|\b(?:has|have) to be\b|\bshould be a\b|\bmay have (?:at most )?[{\d]|\bnests? too deep\b|\bsomebody else\b"
    r"|\bnot sent:|\bafter a while\b",
    re.IGNORECASE,
)
SOURCES = [
    path
    for package in ("client/taskruns", "service/taskruns_service")
    for path in sorted((ROOT / package).rglob("*.py"))
    if not {"_generated", "versions"} & set(path.parts)
]


def texts_of(source: str) -> Iterator[str]:
    """Yields the string literals of a module without its docstrings; `{…}` stands for each formatted value."""
    tree = ast.parse(source)
    ignored = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            ignored |= set(map(id, node.values))
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in ignored:
            yield node.value


def texts_in(part: object) -> Iterator[str]:
    """Yields the descriptions, summaries and titles of a document."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("description", "summary", "title") and isinstance(value, str):
                yield value
            else:
                yield from texts_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from texts_in(value)


def test_phrases_are_found() -> None:
    messages = (
        'tell(f"A state may have {BYTES} bytes.", f"{text!r} is no age.", "There is no file.", "It must be JSON.")'
    )
    assert [text for text in texts_of(messages) if TRANSLATED.search(text)] == [
        "A state may have {…} bytes.",
        "{…} is no age.",
    ]


def test_document_is_in_plain_words() -> None:
    texts = set(texts_in(json.loads((ROOT / "openapi.json").read_text())))
    assert [text for text in texts if TRANSLATED.search(text)] == []


def test_messages_are_in_plain_words() -> None:
    found = {path.name: text for path in SOURCES for text in texts_of(path.read_text()) if TRANSLATED.search(text)}
    assert found == {}

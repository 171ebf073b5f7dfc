"""The page at /docs: the OpenAPI document for people, complete in itself, so that it works without a network."""

from collections.abc import Iterable
from functools import lru_cache
from html import escape

import msgspec

from taskruns_service.api.documents import Document
from taskruns_service.domain.json_values import JsonObject

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }
h2 { margin-top: 3rem; border-bottom: 1px solid #d5dde5 } summary { cursor: pointer; padding: .4rem 0 }
code, b.method { font: .9em ui-monospace, monospace } b.method { display: inline-block; width: 4.5rem; color: #0b6bcb }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; font-size: .9em }
details > div { margin: 0 0 1rem 1rem; padding-left: 1rem; border-left: 3px solid #d5dde5 } p { white-space: pre-line }
"""


@lru_cache(1)
def documentation_of(document: bytes) -> Document:
    """The page for an OpenAPI document, which takes some milliseconds to make the first time."""
    return Document(_page(document).encode(), "text/html; charset=utf-8")


def _page(document: bytes) -> str:
    read = msgspec.json.decode(document)
    info = read["info"]
    sections = "".join(_section(tag, read) for tag in read["tags"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f'<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>{sections}'
    )


def _section(tag: JsonObject, document: JsonObject) -> str:
    operations = "".join(
        _operation(method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if tag["name"] in operation["tags"]
    )
    return f"<h2>{escape(tag['name'].capitalize())}</h2><p>{escape(tag['description'])}</p>{operations}"


def _operation(method: str, path: str, operation: JsonObject) -> str:
    parameters = _table((parameter["name"], parameter["description"]) for parameter in operation.get("parameters", ()))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    example = "" if body is None else f"<pre>{escape(msgspec.json.format(msgspec.json.encode(body)).decode())}</pre>"
    answers = _table((status, answer["description"]) for status, answer in operation["responses"].items())
    return (
        f'<details id="{operation["operationId"]}"><summary><b class="method">{method.upper()}</b>'
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"<div><p>{escape(operation['description'])}</p>{parameters}{example}{answers}</div></details>"
    )


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}<td>{escape(text)}" for name, text in rows)
    return f"<table>{cells}</table>" if cells else ""

# Generated from openapi.json by `make client`. Do not edit.
"""GET /search."""

from ...models import SearchHits
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[SearchHits] = {200: Json[SearchHits](SearchHits)}


def build(*, q: str) -> Call[SearchHits]:
    """Search by id or name.

    Find runs by id, and flows, tasks and runs by the beginning of their names, in any case.

    An id can be shortened to its first 8 hexadecimal digits or more; the newest runs come first. Of flow runs,
    and of task runs, with the same name, the newest is found. The response has up to 20 hits.

    If the service requires API keys, use one with the scope `read`.

    Args:
        q: An id or at least its first 8 hexadecimal digits, or the beginning of a name or a task slug, in any case.

    Answer: `SearchHits`.
    """
    return prepare("search_runs", "GET", "/search", _ANSWERS, params=[("q", q)])

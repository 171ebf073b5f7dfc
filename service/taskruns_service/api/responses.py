"""Making responses: JSON that is bytes already, ETags, and 304 for those who have it."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from litestar.enums import ScopeType
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED
from litestar.types import Receive, Scope, Send

from taskruns_service.api import compression, requests
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.response_headers import JSON, Headers
from taskruns_service.queries.runs import Versioned

_encode = msgspec.json.Encoder().encode


class JsonResponse:
    """A response that is sent as it is, which saves some 20 µs of what Litestar's own does for each.

    See docs/decisions/0025-litestar-is-the-router.md.
    """

    def __init__(self, body: bytes, status: int, headers: Headers, *, is_query: bool = False) -> None:
        """What answers a GET, or another `is_query`, is compressed if it is large and the client asks for that."""
        self._body = body
        self._status = status
        self._headers = headers
        self._is_query = is_query

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it, as ASGI has it."""
        body, headers = self._body, self._headers
        if len(body) >= compression.MIN_BYTES and (self._is_query or _is_get(scope)):
            body, headers = await compression.negotiated(scope, body, headers)
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_get(scope: Scope) -> bool:
    return scope["type"] == ScopeType.HTTP and scope["method"] == "GET"


def encode_headers(headers: Mapping[str, str]) -> Headers:
    """Headers as ASGI has them, in lower case."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def as_json(content: object, status: int = HTTP_200_OK, *, version: str | int = "", location: str = "") -> JsonResponse:
    """A response with a Struct, or with JSON that is bytes already; with an ETag and a Location where it has them."""
    body = content if isinstance(content, bytes) else _encode(content)
    headers = json_headers(body, version)
    if location:
        headers.append((b"location", location.encode()))
    return JsonResponse(body, status, headers)


def json_headers(body: bytes, version: str | int = "") -> Headers:
    """The headers of JSON, with an ETag where it has a version."""
    headers: Headers = [JSON, (b"content-length", b"%d" % len(body))]
    if version:
        headers.append((b"etag", f'"{version}"'.encode()))
    return headers


def not_modified(request: ApiRequest, version: str, headers: Mapping[str, str] = MappingProxyType({})) -> JsonResponse:
    """304 for a client that has this version, with the headers that the whole answer would have.

    The ETag is weak where the client has that of a compressed response: by it, caches find what they keep.
    """
    weak = f'W/"{version}"'
    is_weak = weak in (request.header(b"if-none-match") or "")
    own = encode_headers({**headers, "ETag": weak if is_weak else f'"{version}"'})
    return JsonResponse(b"", HTTP_304_NOT_MODIFIED, compression.varying(own))


def versioned(request: ApiRequest, representation: Versioned) -> JsonResponse:
    """A representation with its ETag, or 304 for a client whose If-None-Match has it."""
    # Nearly all requests have no If-None-Match: that is found out at once.
    if request.header(b"if-none-match") is not None and representation.version in (
        requests.known_versions(request) or ()
    ):
        return not_modified(request, representation.version)
    return as_json(representation.body, version=representation.version)

"""Making responses: JSON that is bytes already, ETags, and 304 for those who have it."""

from typing import Any

import msgspec
from litestar import Response
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

from taskruns_service.api.requests import AnyRequest, etags
from taskruns_service.queries import Versioned

_encode = msgspec.json.Encoder().encode


def as_json(content: Any, status: int = HTTP_200_OK, **headers: str) -> Response[bytes]:
    """A response with a Struct, or with JSON that is bytes already. Header names are written with underscores."""
    body = content if isinstance(content, bytes) else _encode(content)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status_code=status, media_type="application/json", headers=named)


def not_modified(request: AnyRequest, version: str) -> Response[bytes] | None:
    """304 if the client's If-None-Match has this version; None if it needs the body."""
    known = etags(request, "If-None-Match")
    if known is None or (version not in known and known != ["*"]):
        return None
    return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers={"ETag": f'"{version}"'})


def versioned(request: AnyRequest, found: Versioned) -> Response[bytes]:
    """A representation with its ETag, or 304."""
    return not_modified(request, found.version) or as_json(found.body, ETag=f'"{found.version}"')

"""Making responses: JSON that is bytes already, ETags, and 304 for those who have it."""

from typing import Any

import msgspec
from litestar import Response
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

from taskruns_service.api import requests
from taskruns_service.api.requests import AnyRequest
from taskruns_service.queries import Versioned

_encode = msgspec.json.Encoder().encode


def as_json(content: Any, status: int = HTTP_200_OK, **headers: str) -> Response[bytes]:
    """A response with a Struct, or with JSON that is bytes already. Header names are written with underscores."""
    body = content if isinstance(content, bytes) else _encode(content)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status_code=status, media_type="application/json", headers=named)


def not_modified(version: str) -> Response[bytes]:
    """304 for a client that has this version."""
    return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers={"ETag": f'"{version}"'})


def versioned(request: AnyRequest, found: Versioned) -> Response[bytes]:
    """A representation with its ETag, or 304 for a client whose If-None-Match has it."""
    if found.version in requests.known_versions(request):
        return not_modified(found.version)
    return as_json(found.body, ETag=f'"{found.version}"')

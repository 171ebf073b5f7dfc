"""Documents: what is made once and is the same for everybody, such as the pages; answered as bytes, with an ETag."""

import hashlib
import re
from base64 import b64encode

from taskruns_service.api import compression, requests
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse, encode_headers, not_modified

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


class Document:
    """A document; `varies` names the request header that chooses between it and another one at the same path."""

    def __init__(
        self, content: bytes, media_type: str, *, varies: str | None = None, policy: str | None = None
    ) -> None:
        """`policy` is a Content-Security-Policy in place of the one that a page has for what is in it."""
        self._content = content
        self._version = hashlib.blake2b(content, digest_size=12).hexdigest()
        self._headers = {
            # To be asked for again each time, so that an update is seen; 304 costs little.
            "Cache-Control": "no-cache",
            "ETag": f'"{self._version}"',
            **({"Vary": varies} if varies else {}),
        }
        if media_type.startswith("text/html"):
            # With 304 as well: browsers replace the headers of the page that they have by those of the answer.
            self._headers["Content-Security-Policy"] = policy or page_policy(content.decode())
            self._headers["Cross-Origin-Opener-Policy"] = "same-origin"
        self._own = {"Content-Type": media_type, "Content-Length": str(len(content)), **self._headers}

    def answer(self, request: ApiRequest) -> JsonResponse:
        """The document, or 304 for a client whose If-None-Match has it; raises InvalidRequest."""
        if self._version in (requests.known_versions(request) or ()):
            return not_modified(request, self._version, self._headers)
        headers = encode_headers(self._own)
        if len(self._content) < compression.MIN_BYTES:  # which is not compressed; its 304 says so of every document
            headers = compression.varying(headers)
        return JsonResponse(self._content, 200, headers)


def page_policy(page: str) -> str:
    """The Content-Security-Policy of a page: its own script and style, by their digests, and nothing else runs."""
    sources: dict[str, list[str]] = {}
    for kind, content in _INLINE.findall(page):
        digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
        sources.setdefault(kind, []).append(f"'sha256-{digest}'")
    rules = ["default-src 'none'", *(f"{kind}-src {' '.join(digests)}" for kind, digests in sources.items())]
    if "script" in sources:
        rules += ["connect-src 'self'", "require-trusted-types-for 'script'", "trusted-types 'none'"]
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])

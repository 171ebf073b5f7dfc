"""What the service answered, as it came: its status, its headers and its body, beside what is made of them."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import httpx

T_co = TypeVar("T_co", covariant=True)


class RawResponse(Generic[T_co]):
    """A successful HTTP response; `parse` returns what the method itself returns."""

    def __init__(self, http_response: httpx.Response, read: Callable[[httpx.Response], T_co]) -> None:
        """`read` makes the typed answer."""
        self.http_response = http_response
        """The response as httpx has it; its body is read."""
        self._read = read

    @property
    def status_code(self) -> int:
        """The HTTP status, such as 201, or 304 if nothing has changed."""
        return self.http_response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, with case-insensitive names."""
        return self.http_response.headers

    @property
    def request_id(self) -> str:
        """The id of the request, which is also in the service's log; empty if the response has none."""
        return str(self.http_response.headers.get("X-Request-Id", ""))

    @property
    def content(self) -> bytes:
        """The body, decompressed."""
        return self.http_response.content

    @property
    def text(self) -> str:
        """The body as text."""
        return self.http_response.text

    def parse(self) -> T_co:
        """Returns what the method itself returns.

        Raises:
            InvalidAnswer: If the response does not match the service's OpenAPI document.
        """
        return self._read(self.http_response)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code}, {len(self.content)} bytes>"

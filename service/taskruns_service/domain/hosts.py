"""Hosts and origins: the names that the service answers to, and the web pages that may change something.

A browser sends a page's requests to whatever address the page's server gives its own name (DNS rebinding), and simple
ones to any address at all. `Host` and `Origin` tell such requests from those of the user; forwarded headers do not,
since anyone may send them.
"""

import ipaddress
import re
from typing import NamedTuple

from msgspec import Struct

_AUTHORITY = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/]+)")
_PORTS = {"http": 80, "https": 443}


class Authority(NamedTuple):
    """A host name or address in lower case, and a port if one is named."""

    host: str
    port: int | None = None

    def covers(self, other: "Authority") -> bool:
        """Whether the other has this host and, if this one names a port, this port."""
        return self.host == other.host and self.port in (None, other.port)


class HostPolicy(Struct, frozen=True, kw_only=True):
    """Which hosts and origins are taken.

    `allowed` are the hosts that the operator names. Where `checks_host` is false, any host is taken.
    """

    checks_host: bool
    own_host: str
    allowed: tuple[Authority, ...] = ()

    def takes_host(self, host: Authority) -> bool:
        """Whether a request to this host is meant for the service."""
        return (
            not self.checks_host
            or host.host in ("localhost", self.own_host)
            or is_loopback_address(host.host)
            or self._allows(host)
        )

    def takes_origin(self, origin: str, host: Authority) -> bool:
        """Whether a page of this origin may change something at this host: its own pages and those of allowed hosts."""
        if (match := _ORIGIN.fullmatch(origin)) is None or (page := read_authority(match["authority"])) is None:
            return False
        default_port = _PORTS[match["scheme"]]
        page_port, host_port = (authority.port or default_port for authority in (page, host))
        return (page.host, page_port) == (host.host, host_port) or self._allows(Authority(page.host, page_port))

    def _allows(self, authority: Authority) -> bool:
        return any(allowed.covers(authority) for allowed in self.allowed)


def read_authority(text: str) -> Authority | None:
    """Reads `host` or `host:port`, as in a Host header (RFC 9110, 7.2); None if it is neither."""
    if (match := _AUTHORITY.fullmatch(text)) is None:
        return None
    port = None if match["port"] is None else int(match["port"])
    return Authority(match["host"].lower(), port) if port is None or port < 2**16 else None


def is_loopback_address(host: str) -> bool:
    """Whether a host is an address of this machine itself: 127.0.0.0/8, or ::1 with or without brackets."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False

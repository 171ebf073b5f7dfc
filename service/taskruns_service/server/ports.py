"""The port of a service: its workers share it, so the system would let another service share it too."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from taskruns_service.domain.errors import ConfigurationError


def resolve(host: str, port: int) -> str:
    """The IP address to listen on; raises ConfigurationError if that cannot be done, as when the port is taken."""
    try:
        (partition, *_, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(partition) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    return str(address[0])


@contextmanager
def hold(address: str, port: int) -> Iterator[socket.socket | None]:
    """Keeps a port from other services before the first worker listens on it; raises ConfigurationError if it is taken.

    Yields what holds it. Workers that are forked close that, so that the port is free as soon as they do not listen.
    """
    with ExitStack() as stack:
        claim = None
        if sys.platform == "linux":
            # A name that belongs to the network, as ports do, and that is free when the process ends, however it ends.
            claim = stack.enter_context(socket.socket(socket.AF_UNIX))
            try:
                claim.bind(f"\0taskruns-service:{address}:{port}")
            except OSError:
                raise ConfigurationError(
                    f"Another taskruns-service is using {address}:{port}. Stop it, or use another port."
                ) from None
        resolve(address, port)  # workers of a service that has just ended may still listen
        yield claim

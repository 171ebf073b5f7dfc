"""The TLS settings that the clients of a process share.

httpx reads the certificates of all authorities for each client, which takes some 20 ms.
"""

import os
import ssl
from functools import lru_cache

import httpx


def ssl_context() -> ssl.SSLContext:
    """The context with which httpx verifies certificates, made once for these variables of the environment."""
    return _ssl_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(4)
def _ssl_context(_file: str | None, _directory: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()

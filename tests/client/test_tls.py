"""The certificates that clients trust are read once, and are still those that the environment names."""

import ssl
from pathlib import Path

import certifi
import pytest

from taskruns import AsyncClient, Client
from taskruns.tls import ssl_context

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


async def test_clients_of_a_process_read_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []
    create = ssl.create_default_context

    def create_default_context(*, cafile: str) -> ssl.SSLContext:
        reads.append(cafile)
        return create(cafile=cafile)

    monkeypatch.setattr(ssl, "create_default_context", create_default_context)
    async with AsyncClient(), AsyncClient():
        with Client(), Client():
            assert len(reads) <= 1


@pytest.mark.parametrize(("name", "count"), [("SSL_CERT_FILE", 1), ("SSL_CERT_DIR", 0)])
def test_certificates_are_those_that_the_environment_names(
    name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")
    file = tmp_path / "authority.pem"
    file.write_text(first + end)
    default = ssl_context()
    monkeypatch.setenv(name, str(file if name == "SSL_CERT_FILE" else tmp_path))
    assert len(ssl_context().get_ca_certs()) == count
    assert len(default.get_ca_certs()) > 1


def test_contexts_verify_certificates_and_names() -> None:
    assert ssl_context().verify_mode is ssl.CERT_REQUIRED
    assert ssl_context().check_hostname

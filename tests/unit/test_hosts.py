"""Hosts and origins: which requests were meant for the service, and which pages may change something."""

import pytest

from taskruns_service.domain.hosts import Authority, HostPolicy, read_authority
from taskruns_service.settings import read_settings

LOCAL = HostPolicy(checks_host=True, own_host="127.0.0.1")
BEHIND_A_PROXY = HostPolicy(
    checks_host=True, own_host="127.0.0.1", allowed=(Authority("runs.example.com"), Authority("other.example", 8443))
)


def policy(**settings: str) -> HostPolicy:
    """The policy of a service with these settings."""
    return read_settings({f"TASKRUNS_{name.upper()}": value for name, value in settings.items()}).host_policy


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("localhost", Authority("localhost")),
        ("LocalHost:4200", Authority("localhost", 4200)),
        ("127.0.0.1:0", Authority("127.0.0.1", 0)),
        ("[::1]:65535", Authority("[::1]", 65535)),
    ],
)
def test_host_is_a_name_or_an_address_with_or_without_a_port(text: str, authority: Authority) -> None:
    assert read_authority(text) == authority


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            ":80",
            "a:",
            "a:x",
            "a:65536",
            "a:99999999999",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "a b",
            "a/b",
            "a@b",
        ),
        *("a\n", "a,b", "http://a", "user@localhost", "localhost:80:80", "ö", "localhost\t"),
    ],
)
def test_anything_else_is_no_host(text: str) -> None:
    assert read_authority(text) is None


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.255.0.9:80", "[::1]", "[::1]:4200"])
def test_this_machine_is_taken_on_loopback(host: str) -> None:
    assert LOCAL.takes_host(read_authority(host) or Authority(""))


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.1", "2130706433", "0x7f.0.0.1"),
        *("0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "192.168.0.1", "localhost.", "evil-localhost", "runs.example.com"),
    ],
)
def test_any_other_host_is_refused_on_loopback(host: str) -> None:
    assert not LOCAL.takes_host(read_authority(host) or Authority(""))


def test_hosts_that_the_operator_names_are_taken() -> None:
    for host in ("runs.example.com", "runs.example.com:80", "other.example:8443", "localhost"):
        assert BEHIND_A_PROXY.takes_host(read_authority(host) or Authority("")), host
    for host in ("other.example", "other.example:80", "a.runs.example.com", "example.com"):
        assert not BEHIND_A_PROXY.takes_host(read_authority(host) or Authority("")), host


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:4200", "localhost:4200"),
        ("http://LOCALHOST:4200", "localhost:4200"),
        ("http://[::1]:4200", "[::1]:4200"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://runs.example.com", "runs.example.com"),
        ("https://runs.example.com", "127.0.0.1:4200"),
        ("https://other.example:8443", "127.0.0.1:4200"),
    ],
)
def test_own_pages_may_change_something(origin: str, host: str) -> None:
    assert BEHIND_A_PROXY.takes_origin(origin, read_authority(host) or Authority(""))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "localhost:4200"),
        ("", "localhost:4200"),
        ("http://evil.example", "localhost:4200"),
        ("http://localhost:3000", "localhost:4200"),
        ("http://localhost", "localhost:4200"),
        ("http://127.0.0.1:4200", "localhost:4200"),
        ("http://localhost:4200.evil.example", "localhost:4200"),
        ("http://user@localhost:4200", "localhost:4200"),
        ("http://localhost:4200/", "localhost:4200"),
        ("file://localhost:4200", "localhost:4200"),
        ("http://other.example", "127.0.0.1:4200"),
        ("chrome-extension://abc", "localhost:4200"),
        ("http://localhost:4200, http://evil.example", "localhost:4200"),
    ],
)
def test_pages_of_other_origins_may_not(origin: str, host: str) -> None:
    assert not BEHIND_A_PROXY.takes_origin(origin, read_authority(host) or Authority(""))


def test_hosts_are_checked_where_no_key_is_needed() -> None:
    assert policy().checks_host
    assert policy(host="::1").checks_host
    assert policy(insecure="true").checks_host
    assert not policy(require_keys="true").checks_host
    assert not policy(host="0.0.0.0").checks_host
    assert not policy(host="0.0.0.0", insecure="true").checks_host
    assert policy(host="0.0.0.0", insecure="true", allowed_hosts="runs.example.com").checks_host


def test_configured_host_is_taken() -> None:
    for host in ("runs.example.com", "2001:db8::1"):
        named = policy(host=host, insecure="true", allowed_hosts="other.example")
        assert named.takes_host(read_authority(f"[{host}]" if ":" in host else host) or Authority(""))

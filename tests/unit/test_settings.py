"""Settings: where they come from, what goes first, and errors that name the setting."""

from pathlib import Path
from typing import Any

import platformdirs
import pytest
from msgspec.structs import asdict, fields

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.settings import PREFIX, Settings, is_loopback, read_settings
from taskruns_service.storage.dialects import read_url

URL = "postgresql://user:pass@host:5433/runs"
DATABASE = f"{PREFIX}DATABASE_URL"
VALUES: dict[str, tuple[str, Any]] = {
    "database_url": (URL, URL),
    "read_database_url": (URL, URL),
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("8080", 8080),
    "workers": ("2", 2),
    "allowed_hosts": ("runs.example.com,[2001:db8::1]:8443", "runs.example.com,[2001:db8::1]:8443"),
    "connections": ("100", 100),
    "watchers": ("10", 10),
    "receive_timeout": ("5", 5.0),
    "body_memory": ("16", 16),
    "heartbeat_timeout": ("0", 0.0),
    "require_keys": ("true", True),
    "insecure": ("true", True),
    "pool_size": ("3", 3),
    "max_scans": ("2", 2),
    "max_wait": ("0.5", 0.5),
    "queue_size": ("500", 500),
    "query_timeout": ("2.5", 2.5),
    "write_timeout": ("2.5", 2.5),
    "answer_bytes": ("2000000", 2_000_000),
    "synchronous": ("NORMAL", "NORMAL"),
    "ui": ("false", False),
    "root_path": ("/on/call", "/on/call"),
    "pooler": ("transaction", "transaction"),
    "log_level": ("debug", "debug"),
    "log_format": ("console", "console"),
}
WRONG = [
    ("port", "0"),
    ("port", "65536"),
    ("port", "http"),
    ("workers", "0"),
    ("allowed_hosts", "https://runs.example.com"),
    ("allowed_hosts", "runs.example.com:port"),
    ("connections", "0"),
    ("watchers", "-1"),
    ("receive_timeout", "0"),
    ("body_memory", "7"),
    ("heartbeat_timeout", "-1"),
    ("heartbeat_timeout", "5m"),
    ("require_keys", "maybe"),
    ("pool_size", "-1"),
    ("max_scans", "0"),
    ("max_wait", "0"),
    ("queue_size", "0"),
    ("query_timeout", "0"),
    ("write_timeout", "0"),
    ("query_timeout", "soon"),
    ("answer_bytes", "1000"),
    ("synchronous", "OFF"),
    ("ui", "perhaps"),
    *(("root_path", path) for path in ("/", "/a/", "a", "/a b", "/a//b", '/"', "/" + "a" * 200)),
    *(("root_path", path) for path in ("/..", "/a/./b", "/a\n")),
    ("pooler", "session"),
    ("log_level", "loud"),
    ("log_format", "xml"),
    ("database_url", "mysql://host/runs"),
    ("database_url", "runs.db"),
    ("database_url", "sqlite://"),
    ("database_url", "sqlite:///:memory:"),
    ("database_url", "postgresql://host:port/runs"),
    ("database_url", "postgresql://one:5432,two:port/runs"),
]


def read(**environment: str) -> Settings:
    if environment.keys() & {"read_database_url", "pooler"}:
        environment = {"database_url": URL} | environment
    return read_settings({PREFIX + name.upper(): text for name, text in environment.items()})


def test_every_setting_is_tested() -> None:
    assert VALUES.keys() == set(Settings.__struct_fields__)


@pytest.mark.parametrize("name", VALUES)
def test_setting_is_read_from_the_environment(name: str) -> None:
    text, value = VALUES[name]
    assert getattr(read(**{name: text}), name) == value


@pytest.mark.parametrize("name", VALUES)
def test_flag_goes_before_the_environment(name: str) -> None:
    text, value = VALUES[name]
    assert getattr(read_settings({DATABASE: URL, PREFIX + name.upper(): "nonsense"}, **{name: text}), name) == value


@pytest.mark.parametrize("name", VALUES)
def test_flag_that_is_not_given_leaves_the_setting(name: str) -> None:
    text, value = VALUES[name]
    assert getattr(read_settings({DATABASE: URL, PREFIX + name.upper(): text}, **{name: None}), name) == value


def test_empty_text_is_no_setting() -> None:
    assert read(port="", host="", log_level="") == read()


def test_settings_have_these_defaults() -> None:
    file = Path(platformdirs.user_data_dir("taskruns")) / "taskruns.db"
    assert asdict(read()) == {
        "database_url": f"sqlite:///{file}",
        "read_database_url": "",
        "host": "127.0.0.1",
        "port": 4200,
        "workers": 1,
        "allowed_hosts": "",
        "connections": 4096,
        "watchers": 1000,
        "receive_timeout": 30.0,
        "body_memory": 64,
        "require_keys": False,
        "insecure": False,
        "pool_size": 8,
        "max_scans": 4,
        "max_wait": 3.0,
        "queue_size": 10_000,
        "query_timeout": 30.0,
        "write_timeout": 10.0,
        "heartbeat_timeout": 300.0,
        "answer_bytes": 64_000_000,
        "synchronous": "FULL",
        "ui": True,
        "root_path": "",
        "pooler": "none",
        "log_level": "info",
        "log_format": "json",
    }


def test_settings_are_the_same_in_the_processes_that_serve() -> None:
    settings = read(**{name: text for name, (text, _) in VALUES.items()})
    assert read(**{name: str(value) for name, value in asdict(settings).items()}) == settings


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_error_names_the_setting(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{PREFIX}{name.upper()} "):
        read(**{name: text})


def test_file_has_no_standbys() -> None:
    for urls in (("sqlite:///a.db", URL), (URL, "sqlite:///a.db")):
        with pytest.raises(ConfigurationError, match="_DATABASE_URL is invalid: only PostgreSQL has standbys"):
            read(database_url=urls[0], read_database_url=urls[1])


def test_file_has_no_pooler() -> None:
    with pytest.raises(ConfigurationError, match="TASKRUNS_POOLER is invalid: SQLite has no poolers"):
        read(database_url="sqlite:///a.db", pooler="transaction")


def test_error_does_not_tell_the_password() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(database_url="mysql://user:hunter2@host/runs")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_setting_has_a_sentence(field: Any) -> None:
    (meta,) = field.type.__metadata__
    assert meta.description


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_every_postgresql_url_gets_the_driver_of_the_service(scheme: str) -> None:
    url = read_url(f"{scheme}://user:p%40ss@host/runs")
    assert (url.drivername, url.password, url.database) == ("postgresql+asyncpg", "p@ss", "runs")


def test_several_hosts_are_asked_for_the_one_that_takes_writes() -> None:
    url = read_url("postgresql://user:p%40ss@first,second:5433/runs?ssl=require")
    assert (url.drivername, url.username, url.password, url.database) == (
        *("postgresql+asyncpg", "user", "p@ss", "runs"),
    )
    assert url.query == {
        "host": ("first:5432", "second:5433"),
        "target_session_attrs": "read-write",
        "ssl": "require",
    }
    assert read_url("postgres://first,second?target_session_attrs=any").query["target_session_attrs"] == "any"


def test_standbys_are_read_wherever_there_is_one() -> None:
    for text in ("postgresql://first,second/runs", "postgresql://first/runs"):
        url = read(read_database_url=text).read_url
        assert url is not None
        assert url.query["target_session_attrs"] == "prefer-standby"
    assert read().read_url is None


def test_sqlite_url_names_a_file() -> None:
    url = read_url("sqlite:////data/runs.db")
    assert (url.drivername, url.database) == ("sqlite+pysqlite", "/data/runs.db")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert is_loopback(host)
    assert not read(host=host).needs_keys


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org"])
def test_network_needs_keys(host: str) -> None:
    assert not is_loopback(host)
    assert read(host=host).needs_keys


def test_keys_are_needed_where_they_are_asked_for() -> None:
    assert read(require_keys="true").needs_keys
    assert read(require_keys="true", insecure="true").needs_keys
    assert not read(host="0.0.0.0", insecure="true").needs_keys

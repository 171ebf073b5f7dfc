"""What clients are made with: where the service is, keys, connections, and how long they wait."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from taskruns.client import AsyncClient, Client, default_client
from taskruns.errors import ConnectionFailed, Forbidden, InvalidSetting, TimedOut, Unauthenticated
from tests.client.faults import asking, counting_connections, refusing, stalling
from tests.service import Served, call_command, served


def test_environment_says_where_the_service_is(sqlite_service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_URL", sqlite_service.url)
    monkeypatch.setenv("TASKRUNS_TIMEOUT", "7")
    monkeypatch.setenv("TASKRUNS_MAX_RETRIES", "0")
    with Client() as client:
        assert client.service.health().status == "ok"
        assert (client.options.policy.timeout, client.options.policy.max_retries) == (7, 0)


def test_argument_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"URL": "nowhere", "TIMEOUT": "no", "MAX_RETRIES": "no", "API_KEY": "no key"}.items():
        monkeypatch.setenv(f"TASKRUNS_{name}", value)
    options = Client("https://runs.example", api_key="trk_1", timeout=7, max_retries=0).options
    assert (options.url, options.api_key) == ("https://runs.example", "trk_1")
    assert (options.policy.timeout, options.policy.max_retries) == (7, 0)


def test_without_either_there_are_defaults() -> None:
    client = Client()
    assert repr(client) == "Client('http://127.0.0.1:4200')"
    assert (client.options.policy.timeout, client.options.policy.max_retries, client.options.policy.deadline) == (
        30,
        2,
        None,
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"url": "127.0.0.1:4200"}, "The service's URL is '127.0.0.1:4200': it has to be like http://127.0.0.1:4200."),
        ({"url": ""}, "The service's URL is '': it has to be like http://127.0.0.1:4200."),
        (
            {"url": "ftp://runs.example"},
            "The service's URL is 'ftp://runs.example': it has to be like http://127.0.0.1:4200.",
        ),
        ({"url": "http://h?a=1"}, "The service's URL is 'http://h?a=1': it has to be like http://127.0.0.1:4200."),
        (
            {"url": "http://h:x"},
            "The service's URL is 'http://h:x' (Invalid port: 'x'): it has to be like http://127.0.0.1:4200.",
        ),
        (
            {"url": "http://me:secret#1@h"},
            "The service's URL has a user or a password in it: it has to be like http://127.0.0.1:4200.",
        ),
        ({"api_key": "secret\n"}, "The API key has a character that no key has, such as a space or a line end."),
        (
            {"api_key": "secret\N{SNOWMAN}"},
            "The API key has a character that no key has, such as a space or a line end.",
        ),
        ({"timeout": 0}, "timeout is 0: it has to be a number of seconds above 0."),
        ({"max_retries": -1}, "max_retries is -1: it has to be a whole number of 0 or more."),
        ({"deadline": -1}, "deadline is -1: it has to be a number of seconds above 0."),
    ],
)
def test_setting_that_makes_no_sense_is_refused(
    given: dict[str, Any], sentence: str, kind: type[Client] | type[AsyncClient]
) -> None:
    with pytest.raises(InvalidSetting) as raised:
        kind(**given)
    assert str(raised.value) == sentence
    if "url" not in given:
        with pytest.raises(InvalidSetting):
            kind().with_options(**given)


def test_other_options_leave_the_first_client_as_it_was() -> None:
    client = Client(timeout=7, api_key="trk_1")
    other = client.with_options(max_retries=0, deadline=3, api_key="")
    assert (other.options.policy.timeout, other.options.policy.max_retries, other.options.policy.deadline) == (7, 0, 3)
    assert other.options.api_key == ""
    assert client.options == Client(timeout=7, api_key="trk_1").options


def test_client_with_other_options_shares_connections_and_does_not_close_them() -> None:
    with counting_connections() as (url, connected), Client(url) as client:
        client.service.health()
        with client.with_options(timeout=7) as other:
            other.service.health()
        other.close()
        client.service.health()
        assert len(connected) == 1


async def test_async_client_with_other_options_shares_connections_and_does_not_close_them() -> None:
    with counting_connections() as (url, connected):
        async with AsyncClient(url) as client:
            await client.service.health()
            async with client.with_options(timeout=7) as other:
                await other.service.health()
            await other.close()
            await client.service.health()
            assert len(connected) == 1


def test_http_client_of_ones_own_is_not_closed(sqlite_service: Served) -> None:
    with httpx.Client() as http:
        with Client(sqlite_service.url, http_client=http) as client:
            client.service.health()
        assert not http.is_closed
        assert client.service.health().status == "ok"


async def test_async_http_client_of_ones_own_is_not_closed(sqlite_service: Served) -> None:
    async with httpx.AsyncClient() as http:
        async with AsyncClient(sqlite_service.url, http_client=http) as client:
            await client.service.health()
        assert not http.is_closed
        assert (await client.service.health()).status == "ok"


def test_closed_client_asks_nothing_any_more(sqlite_service: Served) -> None:
    with Client(sqlite_service.url) as client:
        client.service.health()
    with pytest.raises(RuntimeError, match="the client has been closed"):
        client.service.health()


async def test_closed_async_client_asks_nothing_any_more(sqlite_service: Served) -> None:
    async with AsyncClient(sqlite_service.url) as client:
        await client.service.health()
    with pytest.raises(RuntimeError, match="the client has been closed"):
        await client.service.health()


def test_process_has_one_client_for_what_the_environment_says(
    sqlite_service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKRUNS_URL", sqlite_service.url)
    client = default_client()
    assert client.service.health().status == "ok"
    assert default_client() is client
    monkeypatch.setenv("TASKRUNS_API_KEY", "trk_1")
    assert default_client() is not client


def test_client_of_the_process_stays_open_for_others(sqlite_service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_URL", sqlite_service.url)
    with default_client() as client:
        client.service.health()
    assert default_client(sqlite_service.url).service.health().status == "ok"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a service that asks for keys, and a key of each scope."""
    folder = tmp_path_factory.mktemp("guarded")
    url = f"sqlite:///{folder / 'taskruns.db'}"
    keys = {
        scope: call_command("keys", "create", "--scope", scope, "--name", "n", TASKRUNS_DATABASE_URL=url).stdout.strip()
        for scope in ("read", "write")
    }
    with served(url, folder, require_keys=True, log_level="error") as service:
        yield service.url, keys


def test_key_opens_what_its_scope_allows(guarded: tuple[str, dict[str, str]]) -> None:
    url, keys = guarded
    with Client(url) as nobody:
        with pytest.raises(Unauthenticated):
            nobody.flow_runs.list()
        reader, writer = (nobody.with_options(api_key=keys[scope]) for scope in ("read", "write"))
        assert reader.flow_runs.list().items == []
        with pytest.raises(Forbidden) as raised:
            reader.flow_runs.create(flow_name="f")
        assert keys["read"] not in str(raised.value)
        assert writer.flow_runs.create(flow_name="f").flow_name == "f"


@pytest.fixture
def stalled() -> Iterator[str]:
    """The URL of something that takes connections and never answers."""
    with stalling() as url:
        yield url


async def test_deadline_ends_a_call_that_nobody_answers(kind: type[Client] | type[AsyncClient], stalled: str) -> None:
    client = kind(stalled, deadline=0.5)
    began = time.monotonic()
    with pytest.raises(TimedOut, match=rf"^No answer within 0\.\d+ s from {stalled}/health: ") as raised:
        await asking(client)(lambda client: client.service.health())
    assert 0.4 < time.monotonic() - began < 5
    assert raised.value.__notes__ == ["The deadline of 0.5 s leaves no time for another attempt."]
    await asking(client)(lambda client: client.close())


async def test_deadline_is_for_all_attempts_together(kind: type[Client] | type[AsyncClient], stalled: str) -> None:
    client = kind(stalled, timeout=0.2, max_retries=1000, deadline=1)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        await asking(client)(lambda client: client.service.health())
    assert time.monotonic() - began < 5
    await asking(client)(lambda client: client.close())


async def test_timeout_is_for_one_attempt(kind: type[Client] | type[AsyncClient], stalled: str) -> None:
    client = kind(stalled, timeout=0.2, max_retries=1)
    with pytest.raises(TimedOut, match=rf"^No answer within 0\.2 s from {stalled}/health: ") as raised:
        await asking(client)(lambda client: client.service.health())
    assert raised.value.__notes__ == ["This was attempt 2."]
    await asking(client)(lambda client: client.close())


async def test_nobody_there_is_said_so(kind: type[Client] | type[AsyncClient]) -> None:
    with refusing() as url:
        client = kind(url, max_retries=0)
        with pytest.raises(
            ConnectionFailed, match=rf"^No answer from {url}/health: .* Is the service running there\?$"
        ):
            await asking(client)(lambda client: client.service.health())
        await asking(client)(lambda client: client.close())

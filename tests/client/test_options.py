"""What clients are made with: where the service is, keys, connections, and how long they wait."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from taskruns.client import AsyncClient, Client, default_client
from taskruns.errors import ConnectionFailed, Forbidden, InvalidSetting, TimedOut, Unauthenticated
from tests.client.faults import Ask, asking, counting_connections, refusing, stalling
from tests.service import Served, call_command, environment_of, served


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
        (
            {"url": "127.0.0.1:4200"},
            "The service's URL is '127.0.0.1:4200': it must have the form http://127.0.0.1:4200.",
        ),
        ({"url": ""}, "The service's URL is '': it must have the form http://127.0.0.1:4200."),
        (
            {"url": "ftp://runs.example"},
            "The service's URL is 'ftp://runs.example': it must have the form http://127.0.0.1:4200.",
        ),
        ({"url": "http://h?a=1"}, "The service's URL is 'http://h?a=1': it must have the form http://127.0.0.1:4200."),
        (
            {"url": "http://h:x"},
            "The service's URL is 'http://h:x' (Invalid port: 'x'): it must have the form http://127.0.0.1:4200.",
        ),
        (
            {"url": "http://me:secret#1@h"},
            "The service's URL contains a user name or a password: it must have the form http://127.0.0.1:4200.",
        ),
        (
            {"api_key": "secret\n"},
            "The API key contains a character that keys cannot have, such as a space or a line break.",
        ),
        (
            {"api_key": "secret\N{SNOWMAN}"},
            "The API key contains a character that keys cannot have, such as a space or a line break.",
        ),
        ({"timeout": 0}, "timeout is 0, but must be a number of seconds greater than 0."),
        ({"max_retries": -1}, "max_retries is -1, but must be a whole number of 0 or more."),
        ({"deadline": -1}, "deadline is -1, but must be a number of seconds greater than 0."),
        ({"default_headers": {"X Team": "a"}}, "default_headers has 'X Team', which is not a header name."),
        ({"default_headers": {"": "a"}}, "default_headers has '', which is not a header name."),
        ({"default_headers": {1: "a"}}, "default_headers has 1, which is not a header name."),
        ({"default_headers": {"host": "secret"}}, "default_headers has host, which the client sets itself."),
        (
            {"default_headers": {"Accept-Encoding": "br"}},
            "default_headers has Accept-Encoding, which the client sets itself.",
        ),
        *(
            (
                {"default_headers": {"X-Team": value}},
                "The value of X-Team in default_headers must be printable ASCII text.",
            )
            for value in ("secret\r\nX-Other: 1", "secret\N{SNOWMAN}", " secret", 5)
        ),
        (
            {"api_key": "trk_1", "default_headers": {"authorization": "Basic secret"}},
            "default_headers has an Authorization header, which the API key uses: pass only one of them.",
        ),
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


async def test_default_headers_are_sent_with_every_call(connect: Callable[..., Ask]) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"status": "ok", "version": "1"})

    headers = {"X-Team": "data", "user-agent": "etl/1", "Proxy-Authorization": "Basic S3cret"}
    ask = connect(answer, default_headers=headers)
    await ask(lambda client: client.service.health())
    await ask(lambda client: client.with_options(timeout=5).service.health())
    await ask(lambda client: client.with_options(default_headers={"X-Team": "ops"}).service.health())
    await ask(lambda client: client.with_options(default_headers={}).service.health())
    assert [request.headers.get("X-Team") for request in requests] == ["data", "data", "ops", None]
    assert [request.headers["User-Agent"][:5] for request in requests] == ["etl/1", "etl/1", "taskr", "taskr"]
    assert len(requests[0].headers.get_list("User-Agent")) == 1
    assert "S3cret" not in repr(Client(default_headers=headers).options)
    bearer = connect(answer, api_key="", default_headers={"Authorization": "Bearer other"})
    await bearer(lambda client: client.service.health())
    assert requests[-1].headers["Authorization"] == "Bearer other"


PROGRAM = """
import os, sys, logging
from taskruns import Client, AsyncClient, task, flow_run
from taskruns.results import PrefectResult
if "ROOT_LEVEL" in os.environ:
    logging.basicConfig(format="own %(message)s")
@task(result=PrefectResult())
def load():
    return "V4lue"
with Client(api_key="trk_S3cret", default_headers={"X-Team": "H3ader"}) as client:
    with flow_run("etl", client=client, parameters={"p": "P4rameter"}) as run:
        load()
    run.view().get_task_run("load-1").get_result()
"""


def logged(service: Served, folder: Path, **environment: str) -> str:
    """What a program that records a flow run and reads a result writes to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        env=environment_of(TASKRUNS_URL=service.url, TASKRUNS_HOME=folder, **environment),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


def test_log_is_shown_where_the_environment_asks_for_it(sqlite_service: Served, tmp_path: Path) -> None:
    debug = logged(sqlite_service, tmp_path, TASKRUNS_LOG="DEBUG")
    assert re.search(
        rf"^\S+ \S+ DEBUG taskruns: create_flow_run answered 201 to POST {sqlite_service.url}/flow-runs, request \S+$",
        debug,
        re.MULTILINE,
    )
    assert "get_task_run_result answered 200 to GET" in debug
    assert not re.search("S3cret|H3ader|V4lue|P4rameter", debug)
    assert logged(sqlite_service, tmp_path, TASKRUNS_LOG="info") == ""
    assert logged(sqlite_service, tmp_path) == ""


def test_log_goes_to_the_handlers_of_the_program(sqlite_service: Served, tmp_path: Path) -> None:
    lines = logged(sqlite_service, tmp_path, TASKRUNS_LOG="debug", ROOT_LEVEL="1").splitlines()
    assert len([line for line in lines if "create_flow_run answered" in line]) == 1
    assert all(line.startswith("own ") for line in lines)


def test_unknown_level_of_the_log_is_refused(
    kind: type[Client] | type[AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKRUNS_LOG", "verbose")
    with pytest.raises(InvalidSetting, match=r"^TASKRUNS_LOG is 'verbose', but must be debug or info\.$"):
        kind()


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
    with pytest.raises(TimedOut, match=rf"^No response within 0\.\d+ s from {stalled}/health: ") as raised:
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
    with pytest.raises(TimedOut, match=rf"^No response within 0\.2 s from {stalled}/health: ") as raised:
        await asking(client)(lambda client: client.service.health())
    assert raised.value.__notes__ == ["This was attempt 2."]
    await asking(client)(lambda client: client.close())


async def test_nobody_there_is_said_so(kind: type[Client] | type[AsyncClient]) -> None:
    with refusing() as url:
        client = kind(url, max_retries=0)
        with pytest.raises(
            ConnectionFailed, match=rf"^No response from {url}/health: .* Is the service running there\?$"
        ):
            await asking(client)(lambda client: client.service.health())
        await asking(client)(lambda client: client.close())

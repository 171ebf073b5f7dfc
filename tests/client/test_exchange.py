"""One call over HTTP: what is sent, what is made of what comes back, and what nobody gets to see."""

import logging
import platform
import re
import traceback
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from taskruns import __version__
from taskruns.client import AsyncClient, Client
from taskruns.errors import (
    ConnectionFailed,
    InvalidAnswer,
    InvalidArgument,
    ProblemError,
    QueryTimeout,
    RateLimited,
    TaskRunNotFound,
    TaskRunsError,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from taskruns.models import StateCreate, StateType, TaskRun, TaskRunReport, TaskRunStateReport
from tests.client.faults import Ask

Connect = Callable[..., Ask]

ID = UUID(int=1)
KEY = "trk_012345678901_" + "S3cret" * 7
HEALTH = {"status": "ok", "version": "1"}
TASK_RUN: dict[str, Any] = {
    **dict.fromkeys(
        ("duration", "end_time", "name", "queue_time", "run_time", "start_time", "state_message", "state_timestamp")
    ),
    **dict.fromkeys(("id", "flow_run_id", "flow_id", "task_id"), str(ID)),
    **dict.fromkeys(("created", "updated"), "2021-05-12T18:00:00Z"),
    **dict.fromkeys(("run_count", "sequence", "version"), 0),
    "flow_name": "etl",
    "flow_run_name": "brave-otter",
    "has_result": False,
    "map_index": -1,
    "state": "Pending",
    "tags": [],
    "task_name": "extract",
    "task_slug": "extract-1",
}
AT_ONCE = {"Retry-After": "0"}


class Answers:
    """Answers requests with one thing after another, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | type[httpx.RequestError]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx.Response):
            # Each request needs a response of its own.
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        raise answer("The line went dead.", request=request)


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    """A problem as the service answers it."""
    body = {
        "type": "",
        "title": "",
        "status": status,
        "detail": "No.",
        "instance": "/",
        "code": code,
        "request_id": "7f",
    }
    return httpx.Response(status, json=body, headers=headers)


WELL = httpx.Response(200, json=HEALTH, headers={"X-Request-Id": "7f2c"})
AWAY = problem(503, "database-unavailable", **AT_ONCE)


async def test_request_says_who_asks(connect: Connect) -> None:
    answers = Answers(WELL)
    await connect(answers)(lambda client: client.service.health())
    (request,) = answers.requests
    assert (request.method, str(request.url)) == ("GET", "http://service/health")
    assert request.headers["User-Agent"] == (
        f"taskruns/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
    )
    assert request.headers["Accept"] == "application/json"
    assert "Authorization" not in request.headers


async def test_key_is_sent_as_a_bearer_token(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(WELL)
    await connect(answers, api_key=KEY)(lambda client: client.service.health())
    monkeypatch.setenv("TASKRUNS_API_KEY", KEY)
    await connect(answers)(lambda client: client.service.health())
    await connect(answers, api_key="")(lambda client: client.service.health())
    sent = [request.headers.get("Authorization") for request in answers.requests]
    assert sent == [f"Bearer {KEY}", f"Bearer {KEY}", None]


def test_service_may_live_below_a_path() -> None:
    answers = Answers(WELL)
    with httpx.Client(transport=httpx.MockTransport(answers)) as http:
        client = Client("https://runs.example/api/", http_client=http)
        client.service.health()
    assert repr(client) == "Client('https://runs.example/api')"
    assert str(answers.requests[0].url) == "https://runs.example/api/health"


async def test_lists_are_sent_as_repeated_parameters(connect: Connect) -> None:
    answers = Answers(httpx.Response(200, json={"items": [], "next_cursor": None}))
    states = [StateType.FAILED, "TimedOut"]
    await connect(answers)(
        lambda client: client.task_runs.list(state=states, tag=["a&b", "é"], has_result=True, limit=5)
    )
    assert answers.requests[0].url.params.multi_items() == [
        *(("state", "Failed"), ("state", "TimedOut"), ("tag", "a&b"), ("tag", "é"), ("has_result", "true")),
        ("limit", "5"),
    ]


async def test_body_is_json(connect: Connect) -> None:
    answers = Answers(problem(404, "task-run-not-found"))
    with pytest.raises(TaskRunNotFound):
        await connect(answers)(lambda client: client.task_runs.update(ID, name=None, tags=("etl",), if_match='"3"'))
    (request,) = answers.requests
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["If-Match"] == '"3"'
    assert request.content == b'{"name":null,"tags":["etl"]}'


async def test_what_passes_is_asked_again(connect: Connect) -> None:
    answers = Answers(AWAY, problem(429, "slow-down", **AT_ONCE), WELL)
    assert (await connect(answers)(lambda client: client.service.health())).status == "ok"
    assert len(answers.requests) == 3


async def test_what_does_not_pass_is_raised(connect: Connect) -> None:
    answers = Answers(AWAY)
    with pytest.raises(Unavailable) as raised:
        await connect(answers)(lambda client: client.service.health())
    assert len(answers.requests) == 3
    assert raised.value.__notes__ == ["This was attempt 3."]
    assert (raised.value.status, raised.value.code, raised.value.request_id) == (503, "database-unavailable", "7f")


async def test_nothing_is_repeated_where_the_caller_says_so(connect: Connect) -> None:
    for answer, kind in ((AWAY, Unavailable), (httpx.ConnectError, ConnectionFailed)):
        answers = Answers(answer)
        with pytest.raises(kind):
            await connect(answers, max_retries=0)(lambda client: client.service.health())
        assert len(answers.requests) == 1


async def test_question_that_took_too_long_is_not_asked_again(connect: Connect) -> None:
    answers = Answers(problem(503, "query-timeout", **AT_ONCE))
    with pytest.raises(QueryTimeout):
        await connect(answers)(lambda client: client.task_runs.aggregate())
    assert len(answers.requests) == 1


REPORTS: dict[str, Callable[[Any], Any]] = {
    "create": lambda client: client.flow_runs.create(flow_name="f"),
    "create with a key": lambda client: client.flow_runs.create(flow_name="f", idempotency_key="2021-05-12"),
    "create with an id": lambda client: client.flow_runs.create(flow_name="f", id=ID),
    "set state of a flow run": lambda client: client.flow_runs.set_state(ID, type="Running"),
    "set state": lambda client: client.task_runs.set_state(ID, type="Running", expected_version=3),
    "set states": lambda client: client.task_runs.set_states(
        items=[TaskRunStateReport(task_run_id=ID, type=StateType.RUNNING)]
    ),
    "report": lambda client: client.flow_runs.report(
        ID,
        items=[
            TaskRunReport(task_slug="a", states=[StateCreate(type=StateType.RUNNING)]),
            TaskRunReport(task_slug="b"),
        ],
    ),
    "update": lambda client: client.task_runs.update(ID, name="a", expected_version=None, if_match=None),
}


@pytest.mark.parametrize("report", REPORTS)
async def test_report_is_repeated_with_the_same_ids(report: str, connect: Connect) -> None:
    answers = Answers(httpx.ReadError, problem(404, "task-run-not-found"))
    with pytest.raises(TaskRunNotFound):
        await connect(answers)(REPORTS[report])
    first, again = answers.requests
    assert first.content == again.content


@pytest.mark.parametrize("report", [one for one in REPORTS if one not in ("create with a key", "update")])
async def test_every_state_is_sent_with_an_id_of_its_own(report: str, connect: Connect) -> None:
    answers = Answers(problem(404, "task-run-not-found"))
    for _ in range(2):
        with pytest.raises(TaskRunNotFound):
            await connect(answers)(REPORTS[report])
    bodies = [msgspec.json.decode(request.content) for request in answers.requests]
    (ids, others) = ([found["id"] for found in identified(body)] for body in bodies)
    assert len(ids) == len(others) == 1
    assert (ids == others == [str(ID)]) if report == "create with an id" else (ids != others)


def identified(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What in a body has to have an id."""
    items = body.get("items", [body])
    return [one for item in items for one in (item.get("states", []) if "task_slug" in item else [item])]


async def test_flow_run_with_a_key_is_known_by_it(connect: Connect) -> None:
    answers = Answers(problem(404, "flow-run-not-found"))
    with pytest.raises(ProblemError):
        await connect(answers)(REPORTS["create with a key"])
    assert msgspec.json.decode(answers.requests[0].content) == {"flow_name": "f", "idempotency_key": "2021-05-12"}


async def test_ids_are_not_written_into_what_the_caller_gave(connect: Connect) -> None:
    state = StateCreate(type=StateType.RUNNING)
    items = [TaskRunReport(task_slug="a", states=[state])]
    with pytest.raises(ProblemError):
        await connect(Answers(problem(404, "x")))(lambda client: client.flow_runs.report(ID, items=items))
    assert items == [TaskRunReport(task_slug="a", states=[StateCreate(type=StateType.RUNNING)])]


@pytest.mark.parametrize("condition", [{"expected_version": 3}, {"expected_version": 0}, {"if_match": '"3"'}])
async def test_update_of_one_version_is_not_repeated(condition: dict[str, Any], connect: Connect) -> None:
    """Done the first time, it would be refused the second time, and nobody would know that it was done."""
    answers = Answers(httpx.ReadError)
    with pytest.raises(ConnectionFailed) as raised:
        await connect(answers)(lambda client: client.task_runs.update(ID, name="a", **condition))
    assert len(answers.requests) == 1
    assert raised.value.__notes__ == ["The request was not retried, because the service may have carried it out."]


@pytest.mark.parametrize("answer", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_what_was_never_sent_is_sent_again(answer: type[httpx.RequestError], connect: Connect) -> None:
    answers = Answers(answer, problem(429, "slow-down", **AT_ONCE), problem(412, "version-conflict"))
    with pytest.raises(ProblemError):
        await connect(answers)(lambda client: client.task_runs.update(ID, name="a", expected_version=3))
    assert len(answers.requests) == 3


FAILURES: dict[type[httpx.RequestError], tuple[type[ConnectionFailed], str]] = {
    httpx.ConnectError: (ConnectionFailed, "No response from"),
    httpx.ReadError: (ConnectionFailed, "No response from"),
    httpx.RemoteProtocolError: (ConnectionFailed, "No response from"),
    httpx.ConnectTimeout: (TimedOut, "No response within 5 s from"),
    httpx.ReadTimeout: (TimedOut, "No response within 20 s from"),
    httpx.PoolTimeout: (TimedOut, "No response within 20 s from"),
}


@pytest.mark.parametrize("answer", FAILURES, ids=lambda answer: answer.__name__)
async def test_failure_says_what_was_asked_and_what_to_look_at(
    answer: type[httpx.RequestError], connect: Connect
) -> None:
    kind, beginning = FAILURES[answer]
    with pytest.raises(ConnectionFailed) as raised:
        await connect(Answers(answer), max_retries=0, timeout=20)(lambda client: client.service.health())
    assert type(raised.value) is kind
    assert str(raised.value) == f"{beginning} http://service/health: The line went dead. Is the service running there?"
    assert type(raised.value.__cause__) is answer


async def test_failure_without_words_is_named(connect: Connect) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("", request=request)

    with pytest.raises(ConnectionFailed, match="No response from http://service/health: ReadError"):
        await connect(fail, max_retries=0)(lambda client: client.service.health())


async def test_every_error_of_the_transport_is_one_of_ours(connect: Connect) -> None:
    kinds = [httpx.RequestError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        with pytest.raises(ConnectionFailed):
            await connect(Answers(kind), max_retries=0)(lambda client: client.service.health())


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"<html>Welcome to the hotel</html>"),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(204),
    ],
    ids=["page", "member missing", "nothing", "deep", "another status"],
)
async def test_answer_of_something_else_is_told_from_the_services(answer: httpx.Response, connect: Connect) -> None:
    answers = Answers(answer)
    with pytest.raises(InvalidAnswer) as raised:
        await connect(answers)(lambda client: client.service.health())
    told = f"The response from http://service/health ({answer.status_code}) has an unexpected body: "
    assert str(raised.value).startswith(told)
    assert str(raised.value).endswith(" Check that it is the task runs service, and not older than this client.")
    assert raised.value.__cause__ is not None
    assert len(answers.requests) == 1


async def test_answer_of_a_newer_service_is_read(connect: Connect) -> None:
    answer = httpx.Response(200, json={**TASK_RUN, "state": "Sleeping", "mood": "calm"})
    task_run = await connect(Answers(answer))(lambda client: client.task_runs.get(ID))
    assert isinstance(task_run, TaskRun)
    assert (task_run.state, type(task_run.state)) == ("Sleeping", StateType)


async def test_state_of_a_newer_service_breaks_no_page(connect: Connect) -> None:
    items = [TASK_RUN, {**TASK_RUN, "state": "Sleeping"}, TASK_RUN]
    answer = httpx.Response(200, json={"items": items, "next_cursor": None})
    page = await connect(Answers(answer))(lambda client: client.task_runs.list())
    assert [(item.state, type(item.state)) for item in page.items] == [
        (state, StateType) for state in ("Pending", "Sleeping", "Pending")
    ]


async def test_page_of_a_proxy_is_a_problem(connect: Connect) -> None:
    answers = Answers(httpx.Response(502, content=b"<html>Bad gateway</html>", headers=AT_ONCE), WELL)
    assert (await connect(answers)(lambda client: client.service.health())).status == "ok"
    with pytest.raises(RateLimited, match="not from the task runs service: Too many"):
        await connect(Answers(httpx.Response(429, content=b"Too many", headers={"Retry-After": "3600"})))(
            lambda client: client.service.health()
        )


async def test_log_says_at_debug_what_was_answered(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "taskruns")
    await connect(Answers(WELL))(lambda client: client.service.health())
    assert [(one.name, one.levelname, one.getMessage()) for one in of_ours(caplog)] == [
        ("taskruns", "DEBUG", "get_health answered 200 to GET http://service/health, request 7f2c")
    ]


async def test_log_says_at_info_what_is_tried_again(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "taskruns")
    await connect(Answers(httpx.ConnectError, AWAY, WELL))(lambda client: client.service.health())
    lost, away = of_ours(caplog)
    assert (lost.levelname, away.levelname) == ("INFO", "INFO")
    assert re.fullmatch(r"get_health failed \(ConnectError\), next attempt in 0\.\d\d s", lost.getMessage())
    assert away.getMessage() == "get_health answered 503 (database-unavailable), next attempt in 0.00 s"


async def test_log_says_nothing_where_all_is_well(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "taskruns")
    await connect(Answers(WELL))(lambda client: client.service.health())
    assert of_ours(caplog) == []


def of_ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What this package has logged."""
    return [record for record in caplog.records if record.name.startswith("taskruns")]


@pytest.mark.parametrize(
    "answer",
    [WELL, AWAY, problem(401, "unauthenticated"), httpx.Response(200), httpx.ReadTimeout, httpx.ConnectError],
    ids=["well", "away", "refused", "something else", "slow", "nobody there"],
)
async def test_nobody_gets_to_see_the_key(
    answer: Any, kind: type[Client] | type[AsyncClient], connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    def use(client: Any) -> Any:
        shown.extend(map(repr, (client, client.options, client.options.policy, client.task_runs, client.task_runs.get)))
        shown.append(repr(client.with_options(api_key=KEY + "2")))
        return client.service.health()

    try:
        shown.append(repr(await connect(Answers(answer), api_key=KEY, max_retries=1)(use)))
    except TaskRunsError as error:
        shown += [*traceback.format_exception(error), repr(error)]
    shown += [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert len(shown) > 6
    assert not any("S3cret" in text for text in shown)


# What cannot be sent, or leads elsewhere.


async def test_request_that_cannot_be_built_is_an_error_of_ours(connect: Connect) -> None:
    ask = connect(Answers(httpx.Response(200)))
    with pytest.raises(InvalidArgument, match="Cannot build the request of list_task_runs from its arguments: "):
        await ask(lambda client: client.task_runs.list(flow_name="x" * 70_000))
    with pytest.raises(InvalidArgument, match="Cannot build the request of get_task_run from its arguments: "):
        await ask(lambda client: client.task_runs.get_if_changed(ID, if_none_match="\u2028"))


async def test_too_many_values_are_refused_with_the_limit(connect: Connect) -> None:
    answers = Answers(httpx.Response(200))
    with pytest.raises(
        InvalidArgument, match="flow_run_id of list_task_runs has 101 values, but the service accepts 100"
    ):
        await connect(answers)(lambda client: client.task_runs.list(flow_run_id=[ID for _ in range(101)]))
    assert answers.requests == []


async def test_redirect_says_where_to(connect: Connect) -> None:
    answers = Answers(httpx.Response(308, headers={"Location": "https://runs.example.com/health"}))
    expected = (
        "responded with 308, a redirect to 'https://runs.example.com/health'; the client does not follow redirects"
    )
    with pytest.raises(InvalidAnswer, match=expected):
        await connect(answers)(lambda client: client.service.health())


async def test_unknown_parameter_is_named_with_the_nearest(connect: Connect) -> None:
    ask = connect(Answers(httpx.Response(200)))
    with pytest.raises(TypeError, match=r"^list_task_runs has no parameter states\. Did you mean state\?$"):
        await ask(lambda client: client.task_runs.list(states=["Failed"]))
    with pytest.raises(TypeError, match=r"^get_health has no parameter qqq\. Its parameters are: none\.$"):
        await ask(lambda client: client.service.health(qqq=1))


async def test_without_a_key_the_error_says_how_to_give_one(connect: Connect) -> None:
    with pytest.raises(Unauthenticated, match=r"pass `api_key=`, or set TASKRUNS_API_KEY\.$"):
        await connect(Answers(httpx.Response(401)), max_retries=0)(lambda client: client.service.health())

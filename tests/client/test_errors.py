"""The tree of errors: a class for every problem of the service, and one for whatever else may answer."""

import pickle
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import pytest

from taskruns import errors
from taskruns.errors import (
    BadRequest,
    BodyTooLarge,
    ChildError,
    Conflict,
    ConnectionFailed,
    FlowRunConflict,
    InternalError,
    InvalidSetting,
    NoResultType,
    NoSuchTaskRun,
    NotFound,
    ProblemError,
    RateLimited,
    ResultError,
    ResultNotPersisted,
    ResultNotReady,
    TaskRunNotFound,
    TaskRunsError,
    TimedOut,
    Unauthenticated,
    Unavailable,
    VersionConflict,
    problem_error,
)
from taskruns.models import CurrentRun, Fault, Problem, StateType
from taskruns_service.api.problems import problem_of
from taskruns_service.domain.errors import Fault as ServiceFault
from taskruns_service.domain.errors import ServiceError

PAGE_OF_PROXY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\xff\x1b[31mnginx</body></html>"


T = TypeVar("T")


def classes_below(kind: type[T]) -> Iterator[type[T]]:
    """A class and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from classes_below(below)


OURS = sorted(
    {kind for kind in classes_below(TaskRunsError) if kind.__module__ == errors.__name__},
    key=lambda kind: kind.__name__,
)
OF_SERVICE = {kind.code: kind for kind in classes_below(ServiceError) if "code" in vars(kind)}


def body_of(error: ServiceError, path: str = "/flow-runs") -> bytes:
    """A problem as the service writes it."""
    return msgspec.json.encode(problem_of(error, path=path, request_id="7f2c"))


def raised_for(status: int, **members: Any) -> ProblemError:
    """The client's error for a problem with these members."""
    problem = {"code": "invented", "detail": "No.", "instance": "/", "request_id": "7f2c", "status": status}
    body = {**problem, "title": "Invented", "type": "urn:taskruns:problem:invented", **members}
    return problem_error(status, msgspec.json.encode(body), "", "/")


def test_each_code_of_the_service_is_one_class() -> None:
    codes = [code for kind in OURS if (code := vars(kind).get("of_code"))]
    assert sorted(codes) == sorted(OF_SERVICE)


@pytest.mark.parametrize("code", sorted(OF_SERVICE))
def test_problem_of_the_service_is_raised_as_the_class_of_its_code(code: str) -> None:
    kind = OF_SERVICE[code]
    body = body_of(kind(), "/task-runs/1")
    error = problem_error(kind.status, body, "7f2c", "/task-runs/1")
    assert type(error).of_code == code
    assert (error.status, error.code, error.request_id, error.raw) == (kind.status, code, "7f2c", body)
    assert error.problem == msgspec.json.decode(body, type=Problem)


@pytest.mark.parametrize("code", sorted(OF_SERVICE))
def test_class_of_a_code_is_below_that_of_its_status(code: str) -> None:
    kind = OF_SERVICE[code]
    of_status = type(raised_for(kind.status))
    assert of_status.of_status == kind.status
    assert issubclass(type(problem_error(kind.status, body_of(kind()), "", "/")), of_status)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_class_says_what_happened(kind: type) -> None:
    assert kind.__doc__
    assert kind.__doc__.strip().endswith((".", "?"))


def test_no_two_classes_have_the_same_status() -> None:
    statuses = [vars(kind)["of_status"] for kind in OURS if vars(kind).get("of_status")]
    assert len(statuses) == len(set(statuses))


@pytest.mark.parametrize("code", sorted(OF_SERVICE))
def test_problem_survives_pickling(code: str) -> None:
    kind = OF_SERVICE[code]
    fault = ServiceFault(parameter="limit", detail="It has to be 1 or more.")
    error = problem_error(kind.status, body_of(kind(faults=(fault,), limit=3)), "7f2c", "/")
    error.add_note("This was attempt 3.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (again.problem, again.raw, str(again)) == (error.problem, error.raw, str(error))
    assert again.__notes__ == ["This was attempt 3."]


@pytest.mark.parametrize(
    "kind", [one for one in OURS if not issubclass(one, ProblemError)], ids=lambda one: one.__name__
)
def test_sentence_survives_pickling(kind: type[TaskRunsError]) -> None:
    again = pickle.loads(pickle.dumps(kind("It is so.")))
    assert (type(again), str(again)) == (kind, "It is so.")


def test_problem_tells_all_that_the_service_told() -> None:
    error = raised_for(
        412, code="version-conflict", current_run={"version": 2, "state": "Running", "state_timestamp": None}
    )
    assert isinstance(error, VersionConflict)
    assert error.problem.current_run == CurrentRun(version=2, state=StateType.RUNNING, state_timestamp=None)
    error = raised_for(413, code="body-too-large", limit=1024)
    assert isinstance(error, BodyTooLarge)
    assert error.problem.limit == 1024
    error = raised_for(409, code="flow-run-conflict", errors=[{"pointer": "/flow_name", "detail": "It is another."}])
    assert isinstance(error, FlowRunConflict)
    assert error.problem.errors == [Fault(pointer="/flow_name", detail="It is another.")]


def test_text_of_a_problem_has_what_support_asks_for() -> None:
    error = raised_for(404, code="task-run-not-found", detail="There is no task run with this id.")
    assert str(error) == "There is no task run with this id. (404 task-run-not-found, request 7f2c)"
    assert str(raised_for(404, request_id="")) == "No. (404 invented, request unknown)"


def test_text_of_a_problem_moves_no_cursor() -> None:
    assert str(raised_for(400, detail="\x1b[2J\x07No.")) == "\\x1b[2J\\x07No. (400 invented, request 7f2c)"


def test_members_of_the_future_are_in_the_raw_answer() -> None:
    error = raised_for(400, code="invalid-request", hint="Read the documentation.")
    assert msgspec.json.decode(error.raw)["hint"] == "Read the documentation."


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, BadRequest), (401, Unauthenticated), (404, NotFound), (409, Conflict), (412, VersionConflict)),
        *((413, BodyTooLarge), (418, ProblemError), (429, RateLimited), (500, InternalError), (503, Unavailable)),
        (599, ProblemError),
    ],
)
def test_code_of_the_future_is_raised_by_its_status(status: int, kind: type[ProblemError]) -> None:
    error = raised_for(status)
    assert type(error) is kind
    assert (error.status, error.code) == (status, "invented")


def test_every_status_has_a_class() -> None:
    for status in HTTPStatus:
        if status >= 400:
            assert isinstance(problem_error(status, b"", "", "/"), ProblemError)


def test_answer_of_a_proxy_is_a_problem() -> None:
    error = problem_error(502, PAGE_OF_PROXY, "", "/task-runs")
    assert type(error) is ProblemError
    assert error.raw == PAGE_OF_PROXY
    shown = "<html> <head><title>502 Bad Gateway</title></head> <body>�\\x1b[31mnginx</body></html>"
    detail = f"The response had the status 502 and is not from the task runs service: {shown}"
    assert str(error) == f"{detail} (502 not-a-problem, request unknown)"
    assert (error.status, error.problem.instance) == (502, "/task-runs")


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"status": 503}', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"x" * 10**6],
    ids=["empty", "null", "list", "object", "another problem", "no text", "deep list", "deep object", "long"],
)
def test_whatever_a_proxy_answers_is_a_problem_by_its_status(body: bytes) -> None:
    error = problem_error(503, body, "of the proxy", "/task-runs")
    assert type(error) is Unavailable
    assert (error.status, error.code, error.request_id) == (503, "not-a-problem", "of the proxy")
    assert len(str(error)) < 400


def test_empty_answer_of_a_proxy_says_so() -> None:
    assert str(problem_error(502, b"", "", "/")).startswith(
        "The response had the status 502 and is not from the task runs service: it has no body ("
    )


def test_errors_are_what_python_calls_them_too() -> None:
    assert issubclass(InvalidSetting, ValueError)
    assert issubclass(NoSuchTaskRun, LookupError)


def test_timeout_is_a_failed_connection() -> None:
    assert issubclass(TimedOut, ConnectionFailed)


def test_problems_with_results_are_result_errors() -> None:
    for kind in (NoResultType, ResultNotPersisted, ResultNotReady):
        assert issubclass(kind, ResultError)
        assert issubclass(kind, ProblemError)
    assert issubclass(ChildError, ResultError)


def test_what_is_not_there_is_caught_as_such() -> None:
    with pytest.raises(NotFound) as raised:
        raise raised_for(404, code="task-run-not-found")
    assert type(raised.value) is TaskRunNotFound

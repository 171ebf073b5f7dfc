"""Answers that the generated half of the client reads as its models, those of later releases too."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from taskruns._generated import models
from taskruns._generated.api.task_runs import (
    get_task_run_result,
)

ID_TEXT = str(UUID(int=1))


def test_problem_is_read(document: dict[str, Any]) -> None:
    body = {
        "type": "urn:taskruns:problem:version-conflict",
        "title": "Version conflict",
        "status": 412,
        "detail": "The run has changed.",
        "instance": "/task-runs/1/states",
        "code": "version-conflict",
        "request_id": "1",
        "current_run": {"version": 2, "state": "Running", "state_timestamp": "2021-05-12T18:00:01Z"},
        "a member of the future": True,
    }
    problem = msgspec.json.decode(msgspec.json.encode(body), type=models.Problem)
    assert problem.current_run == models.CurrentRun(
        version=2,
        state=models.StateType("Running"),
        state_timestamp=datetime(2021, 5, 12, 18, 0, 1, tzinfo=UTC),
    )


def test_state_of_the_future_is_read() -> None:
    assert msgspec.json.decode(b'"Sleeping"', type=models.StateType) == "Sleeping"


COMMON: dict[str, Any] = {"location": "x", "uri": None, "serializer": None, "size": None, "digest": None}
ZIP = {"type": "Zip", "level": 3}
ZIP_READ = models.CustomSerializer(name="Zip", given=ZIP)


def custom(given: dict[str, Any], **members: Any) -> models.CustomResult:
    """What a reference that this client does not know is read as."""
    return models.CustomResult(name=given.get("type", ""), given=given, **{**COMMON, **members})


@pytest.mark.parametrize(
    ("reference", "read"),
    [
        ({"type": "HDFSResult", "path": "a", **COMMON}, custom({"type": "HDFSResult", "path": "a", **COMMON})),
        ({"type": "HDFSResult"}, custom({"type": "HDFSResult"}, location=None)),
        ({"location": "x"}, custom({"location": "x"})),
        ({"type": "S3Result", "bucket": 5, **COMMON}, custom({"type": "S3Result", "bucket": 5, **COMMON})),
        (
            {"type": "HDFSResult", **COMMON, "size": "5", "serializer": ZIP},
            custom({"type": "HDFSResult", **COMMON, "size": "5", "serializer": ZIP}, serializer=ZIP_READ),
        ),
        (
            {"type": "S3Result", "bucket": "b", **COMMON, "serializer": ZIP},
            models.S3Result(bucket="b", **{**COMMON, "serializer": ZIP_READ}),
        ),
        (
            {
                "type": "LocalResult",
                "dir": "d",
                **COMMON,
                "serializer": {"type": "CompressedSerializer", "format": "gzip", "serializer": ZIP},
            },
            models.LocalResult(
                dir="d",
                **{**COMMON, "serializer": models.CompressedSerializer(format="gzip", serializer=ZIP_READ)},
            ),
        ),
        (None, None),
    ],
)
def test_reference_of_the_future_is_read_as_custom(reference: dict[str, Any] | None, read: Any) -> None:
    local = {"type": "LocalResult", "dir": "d", **COMMON}
    states = ("Success", "Sleeping")
    children = [
        {"map_index": index, "reference": each, "state": states[index % 2], "task_run_id": str(UUID(int=index))}
        for index, each in enumerate([local, reference, local])
    ]
    answer = {
        "children": children,
        "next_cursor": None,
        "reference": reference,
        "state": "Mapped",
        "task_run_id": ID_TEXT,
    }
    result = get_task_run_result.build(UUID(int=1)).decode(200, msgspec.json.encode(answer))
    assert result.reference == read
    known = models.LocalResult(dir="d", **COMMON)
    assert [child.reference for child in result.children or []] == [known, read, known]
    assert [child.state for child in result.children or []] == ["Success", "Sleeping", "Success"]


def test_answer_that_is_no_union_is_refused_as_before() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Object missing required field `children`"):
        get_task_run_result.build(UUID(int=1)).decode(200, b"{}")


def test_reading_of_deep_references_takes_steps_for_each_level_only() -> None:
    """Two steps for each level would be more than there is time for."""
    serializer: dict[str, Any] = ZIP
    for _ in range(60):
        serializer = {"type": "CompressedSerializer", "format": 5, "serializer": serializer}
    reference = {"type": "S3Result", "bucket": "b", **COMMON, "serializer": serializer}
    answer = {"children": None, "next_cursor": None, "reference": reference, "state": "Success", "task_run_id": ID_TEXT}
    read = get_task_run_result.build(UUID(int=1)).decode(200, msgspec.json.encode(answer))
    assert read.reference
    assert read.reference.serializer == models.CustomSerializer(name="CompressedSerializer", given=serializer)

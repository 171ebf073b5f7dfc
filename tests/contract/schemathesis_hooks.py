"""What test_schemathesis adds to schemathesis: ids of runs that exist, and a check of what is refused without need."""

import json
import os
from typing import Any
from uuid import UUID

import schemathesis

RECORDED: dict[str, list[str]] = json.loads(os.environ["TASKRUNS_TEST_RECORDED"])
# What a schema cannot say, by the words of the refusal.
BEYOND_SCHEMAS = (
    "Object missing required field `type`",  # of a reference, which is a plain object so that clients take any
    "Expected `int`, got `float`",  # 3.0 is an integer to JSON Schema
    "It must be an ETag",  # the shortest and the longest header are generated without a look at the pattern
    "The cursor does not belong to this list",
    "is not a sort key",
    "It contains a key twice",
    "It applies only to a count without",
    "It applies only to groups",
    "It applies only to `hour`, `day` and `week`",
    "It applies only to `bucket`",
    "It must be the name of a time zone",
    "It compares windows of time",
    "are compared over a multiple of its length",
    "The window before",
    "It must be an ISO 8601 duration",
    "U+0000",
    "The flow run has no task run",  # of a log line
    "It must be later than `after`",  # two parameters of a timeline
    "timestamps must be between",
    "It must be an RFC 3339 time",
    "It must be text of",  # the schema counts characters that a URL cannot carry
    "There is no `",  # a member for `fields`
    "a state can have at most",
    "of a result",
    "of a PrefectResult",
    "It can be sent at most",
)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Asks about runs that exist in three of four cases, so that more than 404 is answered."""
    # Stateful tests make runs of their own and look for just those.
    if case.method.upper() == "DELETE" or (case.meta and case.meta.phase.name == "stateful"):
        return
    for name, recorded in RECORDED.items():
        value = (case.path_parameters or {}).get(name)
        if is_uuid(value):
            number = UUID(str(value)).int
            if number % 4:
                case.path_parameters[name] = recorded[number // 4 % len(recorded)]


def is_uuid(value: Any) -> bool:
    """Whether a path parameter is not one that was spoilt on purpose."""
    try:
        return str(UUID(str(value))) == str(value).lower()
    except ValueError:
        return False


@schemathesis.check
def what_is_refused_is_told(context: Any, response: Any, case: Any) -> None:
    """A request that the document allows is refused only for what a schema cannot say."""
    mode = case.meta.generation.mode if case.meta else None
    if response.status_code == 400 and mode is not None and mode.is_positive:
        problem = response.json()
        # Schemathesis takes `None` for an id where an answer has null instead of one.
        if "None" in problem["instance"].split("/"):
            return
        detail = problem["detail"]
        if not any(reason in detail for reason in BEYOND_SCHEMAS):
            raise AssertionError(f"refused without need: {detail}")

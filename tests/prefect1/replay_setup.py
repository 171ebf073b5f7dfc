"""What happened between the recorded requests: the recording has each operation only once.

The ids are those of the recording; `Replay` knows which ones they are here.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.prefect1.replaying import RECORDED, Replay

FIRST_FLOW = "d4458060-2af5-4994-a27d-ec2b66cb9af8"
FLOW = "04906e49-2b0c-4b0f-b701-ed637504de4e"
SMALL_FLOW = "e213dc8f-67f1-48f3-bc7b-07b90da1184c"
OTHER_FLOW = "51933c67-5e28-47e4-8c29-7825d5e085ea"
PROJECT = "ab47eb87-8bef-48d7-a42d-82c3c64fe67a"
OTHER_PROJECT = "f7c317f4-1d51-486a-b231-546e2c57ca16"
RUN = "f5ea7ba3-fabe-48be-8c64-78b6b18de8e9"
CACHED_RUN = "90775288-4019-46f6-89c0-3f3c48762b9e"
CANCELLED_RUN = "945a139d-d931-4af5-8861-b011b2307d3f"
WAITING_RUN = "bf55bd52-f5cc-45c4-897f-355769a6210d"
UNFINISHED_RUN = "27bf63c7-67d6-4a06-b13e-2d0c3214c3d6"
SMALL_RUN = "5cd38b5c-fe02-46b5-b7f4-3771a8c8112d"
QUEUED_RUN = "0f7d6017-ecb9-4896-8f82-5ae19873c4d7"
RENAMED_RUN = "83ef30ec-64f9-4577-9444-82ec8f471208"
SUBMITTED_RUN = "af8fee6f-3cb7-41d4-9d7b-f47d6cc3054b"
INC = "13631ac4-9eab-4536-bc45-3a1470b0f37a"
CACHED_AGAIN = "ec2bf2fb-417d-40b0-97a0-3af3e77935ac"
SMALL_OF_CANCELLED = "23b59c54-57a7-45df-827f-691632249530"
OF_EVERY_STATE = "2e80e936-3029-40b8-addd-de061961dec6"
ARTIFACT = "6ebd7e7c-6297-45c0-9b74-7910a25d3226"
SMALL = {"location": "[1, 2]", "__version__": "1.4.1", "type": "PrefectResult"}


class ReplaySetup:
    """Does what has to be done before a recorded request, so that it finds what it found then."""

    def __init__(self, replay: Replay) -> None:
        """In this replay."""
        self._replay = replay
        self._slugs = {
            task_run["id"]: task_run["task"]["slug"]
            for task_run in RECORDED["015"]["answer"]["data"]["flow_run_by_pk"]["task_runs"]
        }
        passed = RECORDED["034"]["answer"]["data"]["task_run"]
        self._to_come = {
            task_run["task"]["slug"]: [state["state"] for state in task_run["states"][1:]] for task_run in passed
        }
        self._steps: dict[str, Callable[[], None]] = {
            "012": self._register_again,
            "033": self._end_the_task_runs,
            "035": self._run_again_with_a_cache,
            "038": self._begin_what_is_cancelled,
            "041": self._end_one_of_what_is_cancelled,
            "047": self._leave_one_waiting,
            "048": lambda: self._create_flow_run(UNFINISHED_RUN, parameters={"n": 12}),
            "081": self._register_the_small_flow,
            "084": self._run_the_small_flow,
            "092": lambda: self._create_flow_run(QUEUED_RUN, parameters={"n": 12}),
            "096": self._create_the_other_project,
            "101": self._run_the_other_flow_later,
            "109": lambda: self._create_flow_run(SUBMITTED_RUN),
            "110": self._find_what_has_every_state,
        }

    def before(self, number: str) -> None:
        """Does what was done before this request, and after the recorded one before it."""
        recorded = RECORDED[number]
        if "016" < number < "034" and recorded["operation"].startswith("set_task_run_states("):
            change = json.loads(recorded["variables"])["input"]["states"][0]
            self._catch_up(change["task_run_id"], change["state"]["type"])
        self._steps.get(number, lambda: None)()

    def _catch_up(self, task_run_id: str, kind: str) -> None:
        """Sets the states that a task run of the first flow run had before its next one of this kind."""
        to_come = self._to_come[self._slugs[task_run_id]]
        while (passed := to_come.pop(0)) != kind:
            self._set_state("task_run", task_run_id, state(passed))

    def _end_the_task_runs(self) -> None:
        last = RECORDED["050"]["answer"]["data"]["task_run"]
        for task_run in last:
            if task_run["map_index"] < 0:
                for passed in self._to_come[task_run["task"]["slug"]][:-1]:
                    self._set_state("task_run", task_run["id"], state(passed))
                if self._to_come[task_run["task"]["slug"]]:
                    self._set_state("task_run", task_run["id"], task_run["serialized_state"])
            else:
                self._create_child(task_run)
                self._set_state("task_run", task_run["id"], state("Running"))
                self._set_state("task_run", task_run["id"], task_run["serialized_state"])

    def _create_child(self, child: dict[str, Any]) -> None:
        self._ask(
            "get_or_create_task_run_info",
            {"id": child["id"]},
            flow_run_id=RUN,
            task_id=INC,
            map_index=child["map_index"],
        )

    def _register_again(self) -> None:
        flow = json.loads(RECORDED["006"]["variables"])["input"]
        self._ask("create_flow_from_compressed_string", {"id": FLOW}, **flow)
        for number, mutation in {"007": "register_tasks", "008": "register_edges"}.items():
            self._ask(mutation, None, **json.loads(RECORDED[number]["variables"])["input"] | {"flow_id": FLOW})

    def _run_again_with_a_cache(self) -> None:
        self._create_flow_run(CACHED_RUN)
        self._learn(CACHED_AGAIN, CACHED_RUN, "cached-1")
        self._set_state("flow_run", CACHED_RUN, state("Running"))
        cached = json.loads(RECORDED["026"]["variables"])["input"]["states"][0]["state"]
        self._set_state("task_run", CACHED_AGAIN, cached)
        self._set_state("flow_run", CACHED_RUN, state("Success"))

    def _begin_what_is_cancelled(self) -> None:
        self._create_flow_run(CANCELLED_RUN)
        self._learn(SMALL_OF_CANCELLED, CANCELLED_RUN, "small-1")

    def _end_one_of_what_is_cancelled(self) -> None:
        self._set_state("flow_run", CANCELLED_RUN, state("Running"))
        self._set_state("task_run", SMALL_OF_CANCELLED, state("Success", _result=SMALL))

    def _leave_one_waiting(self) -> None:
        self._create_flow_run(WAITING_RUN)

    def _register_the_small_flow(self) -> None:
        stored = RECORDED["083"]["answer"]["data"]["flow_run"][0]["flow"]
        flow = {**stored, "tasks": [], "edges": [], "parameters": [], "reference_tasks": [], "__version__": "1.4.1"}
        self._ask("create_flow", {"id": SMALL_FLOW}, project_id=PROJECT, serialized_flow=flow)
        self._create_flow_run(SMALL_RUN, flow_id=SMALL_FLOW)
        self._set_state("flow_run", UNFINISHED_RUN, state("Running"))

    def _run_the_small_flow(self) -> None:
        for passed in ("Running", "Success"):
            self._set_state("flow_run", SMALL_RUN, state(passed))

    def _create_the_other_project(self) -> None:
        named = RECORDED["096"]["answer"]["data"]["project"][1]["name"]
        tenant_id = json.loads(RECORDED["003"]["variables"])["input"]["tenant_id"]
        self._ask("create_project", {"id": OTHER_PROJECT}, name=named, tenant_id=tenant_id)

    def _run_the_other_flow_later(self) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        self._create_flow_run(RENAMED_RUN, flow_id=OTHER_FLOW, scheduled_start_time=later.isoformat())
        note = {"kind": "markdown", "data": {"markdown": "x"}}
        self._ask("create_task_run_artifact", {"id": ARTIFACT}, task_run_id=SMALL_OF_CANCELLED, **note)

    def _find_what_has_every_state(self) -> None:
        self._learn(OF_EVERY_STATE, SUBMITTED_RUN, "small-1")

    def _create_flow_run(self, flow_run_id: str, **others: Any) -> None:
        self._ask("create_flow_run", {"id": flow_run_id}, **{"flow_id": FLOW, "idempotency_key": flow_run_id, **others})

    def _set_state(self, kind: str, run_id: str, state: dict[str, Any]) -> None:
        change = {f"{kind}_id": run_id, "state": state, "version": None}
        self._ask(f"set_{kind}_states", None, states=[change])

    def _learn(self, task_run_id: str, flow_run_id: str, slug: str) -> None:
        where = f'{{flow_run_id: {{_eq: "{flow_run_id}"}}, task: {{slug: {{_eq: "{slug}"}}}}}}'
        query = f"query {{ task_run(where: {where}) {{ id }} }}"
        self._replay.ask(query, {"data": {"task_run": [{"id": task_run_id}]}})

    def _ask(self, mutation: str, answer: dict[str, str] | None, **members: Any) -> None:
        """Sends a mutation; `answer` has the id that it gave in the recording."""
        fields = "{ id }" if answer else "{ __typename }"
        query = f"mutation($input: {mutation}_input!) {{ {mutation}(input: $input) {fields} }}"
        self._replay.ask(query, {"data": {mutation: answer}} if answer else None, input=members)


def state(kind: str, **others: Any) -> dict[str, Any]:
    """A state as prefect sends it."""
    result = {"__version__": "1.4.1", "type": "NoResultType"}
    members = {"context": {}, "message": None, "_result": result, "cached_inputs": {}, "__version__": "1.4.1"}
    return {**members, "type": kind, **others}

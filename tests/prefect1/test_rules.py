"""What the service keeps, refuses and decides when prefect's client asks for it."""

from tests.prefect1.programs import Prefect1

KINDS = [
    "Cached",
    "Cancelled",
    "Cancelling",
    "ClientFailed",
    "Failed",
    "Finished",
    "Looped",
    "Mapped",
    "Paused",
    "Pending",
    "Queued",
    "Resume",
    "Retrying",
    "Running",
    "Scheduled",
    "Skipped",
    "Submitted",
    "Success",
    "TimedOut",
    "TriggerFailed",
    "ValidationFailed",
]


def test_states_are_kept_as_they_came(prefect1: Prefect1) -> None:
    told = prefect1.see("rules.every_state", folder=str(prefect1.home / "states"))
    assert told.pop("no type").startswith("ClientError: ")
    assert told.pop("unknown type").startswith("ClientError: ")
    assert told.pop("1 MB").endswith(": State payload is too large.")
    assert told == {
        "kinds": KINDS,
        "changed": [],
        "passed": ["Pending", *KINDS],
        "minimal": {kind: [kind, None] for kind in KINDS},
        "unknown keys": ["Success", None],
        "after that": ["Success", None],
    }


def test_forbidden_change_is_refused(prefect1: Prefect1) -> None:
    told = prefect1.see("rules.refusals")
    ids = told.pop("ids")
    failed = f"ClientError: BAD_USER_INPUT: State update failed for task run ID {ids['task_run']}"
    unknown = ids["unknown"]
    assert told.pop("bad id").startswith("ClientError: 400: ")
    assert told.pop("missing").startswith("ClientError: 400: GRAPHQL_VALIDATION_FAILED: ")
    assert told.pop("no GraphQL").startswith("ClientError: 400: GRAPHQL_PARSE_FAILED: ")
    assert told == {
        "running too early": (
            f"{failed}: provided a running state but associated flow run {ids['flow_run']} is not in a running state."
        ),
        "unknown task run": f"ClientError: BAD_USER_INPUT: State update failed for task run ID {unknown}",
        "unknown flow run": f"ClientError: BAD_USER_INPUT: State update failed for flow run ID {unknown}",
        "unknown flow": f"ClientError: BAD_USER_INPUT: Flow {unknown} not found",
        "unknown task": "ClientError: BAD_USER_INPUT: Invalid task ID",
        "unknown to look up": f'ClientError: Flow run ID not found: "{unknown}"',
        "unknown to cancel": f"ClientError: BAD_USER_INPUT: Invalid flow run ID: {unknown}.",
        "unknown artifact's run": f"ClientError: BAD_USER_INPUT: Task run {unknown} not found",
        "project again": True,
        "no such query": (
            "ClientError: 400: GRAPHQL_VALIDATION_FAILED: Cannot query field 'nonsense' on type 'Query'."
        ),
        "no such field": (
            "ClientError: 400: GRAPHQL_VALIDATION_FAILED: Cannot query field 'nonsense' on type 'task_run'."
        ),
    }


def test_flows_have_versions(prefect1: Prefect1) -> None:
    told = prefect1.see("rules.flow_versions")
    first = told.pop("ids")["first"]
    assert told == {
        "second is another": True,
        "third is the second": True,
        "versions": [[1, True], [2, False]],
        "one run": True,
        "of the group": True,
        "waiting": ["Cancelled", f"Flow {first} was archived."],
        "archived": f"ClientError: BAD_USER_INPUT: Flow {first} is archived.",
        "needed": "ClientError: BAD_USER_INPUT: Required parameters were not supplied: needed",
        "latest": True,
    }


def test_versions_of_states_count_where_the_flow_asks_for_it(prefect1: Prefect1) -> None:
    running = "returned <Running>"
    lost = "VersionLockMismatchSignal"
    assert prefect1.see("rules.locking") == {
        "settings": True,
        "free": running,
        "stale": lost,
        "kept": ["Scheduled", "Flow run scheduled."],
        "right": 'returned <Running: "right">',
        "without": 'returned <Running: "without">',
        "versions": 2,
        "task: stale": lost,
        "task: right": running,
        "task: again": lost,
        "task: kept": ["Running", None],
        "opened": running,
    }


def test_cancelling(prefect1: Prefect1) -> None:
    told = prefect1.see("rules.cancelling")
    assert told.pop("too late").endswith("is not in a running state.")
    cancelled = ["Cancelled", "Flow run is cancelled"]
    assert told == {
        "cancelled": ["Cancelled", "Cancelling", "Success"],
        "again": ["Cancelled", "Cancelling", "Success"],
        "still going": ["Running", None],
        "flow runs": [cancelled, cancelled, ["Success", None]],
        "task runs": [cancelled, cancelled, ["Success", None]],
    }


def test_names_artifacts_logs_and_heartbeats(prefect1: Prefect1) -> None:
    assert prefect1.see("rules.names_and_notes") == {
        "named": [True, True],
        "names": ["ünï", "☃"],
        "artifacts": [[True, "link", {"link": "three"}]],
        "heartbeat": True,
        "logs": [[20, "one"], [20, "three, alone"], [40, "two"]],
    }


def test_deleted_flow_run_is_gone(prefect1: Prefect1) -> None:
    assert prefect1.see("rules.deleting") == {
        "deleted": [True, False],
        "flow run": "ObjectNotFoundError",
        "task run": "ValueError",
    }


def test_flow_run_with_a_late_retry_is_found_when_it_is_due(prefect1: Prefect1) -> None:
    assert prefect1.see("rules.late_retry") == {
        "none": None,
        "waiting": [],
        "due": True,
        "start": True,
        "others": False,
    }


def test_a_child_is_made_once(prefect1: Prefect1) -> None:
    assert prefect1.see("rules.at_once") == {"children": 2, "parent": False, "of one": 1}

"""Every request that an unmodified prefect 1.4.1 was recorded to send is answered as a server of its time did.

The answers in the recording are those of a stand-in for that server. Where ours are others for a reason, it stands in
`OURS`; any other difference fails, and so does a reason without a difference.
"""

from pathlib import Path

import pytest

from tests.prefect1.conftest import DATABASES, serving
from tests.prefect1.replay_setup import ReplaySetup
from tests.prefect1.replaying import RECORDED, Difference, Replay

SETTINGS = ("heartbeat_enabled", "lazarus_enabled", "version_locking_enabled")
OF_STATES = ("__version__", "_result", "cached_inputs", "context")

OURS: dict[str, set[tuple[str, str]]] = {
    "there are a tenant and a project from the beginning": {
        ("001", "data.tenant.length"),
        ("011", "data.tenant.length"),
        ("095", "data.tenant.length"),
        ("086", "data.project.length"),
        ("096", "data.project.length"),
    },
    "fewer task runs are replayed than were recorded": {
        ("060", "data.task_run_aggregate.aggregate.count"),
        ("061", "data.task_run.length"),
    },
    "what the client got wrong has a code that says so": {
        (number, "errors[].extensions.code") for number in ("004", "038", "039", "040", "047")
    },
    "whether a schedule is active is kept without a schedule too": {("009", "data.set_schedule_active.success")},
    "states that the service makes say only what they have to": {
        (number, f"{path}.serialized_state.{member}")
        for number, path in {
            "015": "data.flow_run_by_pk",
            "048": "data.flow_run[]",
            "093": "data.flow_run[]",
            "102": "data.flow_run_by_pk",
        }.items()
        for member in OF_STATES
    }
    | {("048", f"data.flow_run[].states[].serialized_state.{member}") for member in OF_STATES},
    "flows have their settings": {
        (number, f"{path}.settings.{name}")
        for number, path in {
            "018": "data.flow_run_by_pk.flow",
            "056": "data.flow[]",
            "057": "data.flow[]",
            "098": "data.flow[]",
        }.items()
        for name in SETTINGS
    },
    "a mapped parent has the times of its children": {
        ("034", "data.task_run[].start_time"),
        ("034", "data.task_run[].end_time"),
        ("059", "data.task_run[].start_time"),
    },
    "edges that are registered apart are put into the flow, as tasks are": {
        ("056", "data.flow[].serialized_flow.edges"),
        ("057", "data.flow[].serialized_flow.edges"),
    },
    "no task was registered again": {("098", "data.flow[].serialized_flow.tasks")},
    "a task that is mapped says so": {("087", "data.task[].mapped")},
    "the library that checks documents has other words, and says where": {
        (number, f"errors[].{member}") for number in ("078", "079", "080", "105") for member in ("message", "locations")
    },
}
"""Why ours are others, and where: the numbers of recordings and paths in their answers."""


@pytest.mark.parametrize("database", DATABASES)
def test_recorded_requests_are_answered_as_they_were(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    differences: list[Difference] = []
    with serving(database, request, tmp_path) as service, service.client() as http:
        replay = Replay(http)
        setup = ReplaySetup(replay)
        for number in RECORDED:
            setup.before(number)
            differences += replay.play(number)
    explained = set().union(*OURS.values())
    assert [one for one in differences if (one.number, one.path) not in explained] == []
    assert explained == {(one.number, one.path) for one in differences}

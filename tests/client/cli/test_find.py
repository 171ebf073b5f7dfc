"""`taskruns find`: runs by id, and what has a name that begins with a text."""

import json
from collections.abc import Callable

from tests.client.cli.running import Ran
from tests.client.cli.world import HOSTILE, HOSTILE_SHOWN, World

Look = Callable[..., Ran]


def test_names_are_found_by_their_beginning(look: Look, world: World) -> None:
    done = look("find", "BRAVE")
    assert (done.code, done.err) == (0, "")
    (flow_run,) = world.client.service.search(q="brave").items
    assert flow_run.created is not None
    assert done.out.splitlines()[0].split() == ["KIND", "NAME", "FLOW", "FLOW", "RUN", "STATE", "CREATED", "ID"]
    created = flow_run.created.isoformat(timespec="seconds").replace("+00:00", "Z")
    assert done.out.splitlines()[1] == (
        f"flow run  brave-otter  etl   brave-otter  Success  {created}  {world.flow_runs['brave-otter']}"
    )


def test_ids_are_found_by_their_first_digits(look: Look, world: World) -> None:
    (task_run,) = world.client.task_runs.list(flow_name=["etl"], task_slug=["inc-1"], run_count_gte=2).items
    done = look("find", str(task_run.id), "--json")
    hits = json.loads(done.out)
    assert (hits["truncated"], [hit["id"] for hit in hits["items"]]) == (False, [str(task_run.id)])
    csv = look("find", str(task_run.id), "--csv").out.splitlines()
    assert csv[0].startswith("kind,id,name,map_index")
    assert csv[1].startswith(f"task_run,{task_run.id},inc-1,1,etl")
    assert f"task run  inc-1[{task_run.map_index}]" in look("find", str(task_run.id)).out


def test_nothing_is_found(look: Look) -> None:
    done = look("find", "there-is-no-such-name")
    assert (done.code, done.out.count("\n"), done.err) == (0, 1, "No hits.\n")


def test_hostile_names_are_escaped(look: Look) -> None:
    done = look("find", HOSTILE[:6])
    assert HOSTILE_SHOWN in done.out
    assert HOSTILE not in done.out

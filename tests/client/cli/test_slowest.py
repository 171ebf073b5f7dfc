"""`slowest`: the slowest tasks of a period, and its slowest task runs."""

import csv
import io
import json
from collections.abc import Callable

from tests.client.cli.running import Ran
from tests.client.cli.world import BEGIN, World

Look = Callable[..., Ran]
SINCE = ("--since", "2021-05-01")


def test_slowest_tasks_are_first(look: Look) -> None:
    done = look("slowest", *SINCE, "-f", "etl", "--csv")
    header, *rows = csv.reader(io.StringIO(done.out))
    assert header == ["flow_name", "task_slug", "count", "p50_duration", "p95_duration", "max_duration"]
    durations = [float(row[4]) for row in rows if row[4]]
    assert durations == sorted(durations, reverse=True)
    assert len(durations) > 1
    assert look("slowest", *SINCE, "-f", "etl", "-n", "1").out.splitlines()[1].split()[1] == rows[0][1]


def test_nothing_of_the_last_day_is_slow(look: Look) -> None:
    done = look("slowest", "--until", "2021-05-01", "--csv")
    assert done.out.count("\n") == 1
    assert look("slowest", "-f", "etl", "--csv").out.count("\n") == 1


def test_slowest_task_runs_are_those_of_all_that_took_longest(look: Look, world: World) -> None:
    ended = world.client.task_runs.list(start_time_gte=BEGIN, is_mapped_parent=False)
    durations = sorted((task_run.duration for task_run in ended if task_run.duration is not None), reverse=True)
    for limit in (1, 3, 8):
        done = look("slowest", *SINCE, "--task-runs", "-n", str(limit), "--json")
        assert [task_run["duration"] for task_run in json.loads(done.out)] == durations[:limit]


def test_tasks_stand_beside_those_of_an_earlier_period(look: Look) -> None:
    done = look("slowest", *SINCE, "--until", "2021-05-14", "--compare", "7d", "--csv")
    assert done.out.splitlines()[0].split(",")[-1] == "previous_max_duration"
    refused = look("slowest", "--compare", "7d", "--task-runs")
    assert (refused.code, "--task-runs and --compare" in refused.err) == (2, True)

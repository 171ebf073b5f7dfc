"""Counts and measures: `count` and `aggregate` of task runs and of flow runs."""

import csv
import io
import json
from collections.abc import Callable

from taskruns import models
from taskruns.cli import aggregate_command
from tests.client.cli.running import Ran
from tests.client.cli.world import World

Look = Callable[..., Ran]


def test_count_is_a_number(look: Look) -> None:
    assert look("task-run", "count") == (0, "17\n", "")
    assert look("task-run", "count", "--state-group", "failed") == (0, "3\n", "")
    assert look("task-run", "count", "--flow-name", "none") == (0, "0\n", "")


def test_count_may_stop_early_and_says_so(look: Look) -> None:
    done = look("task-run", "count", "--run-count-gte", "1", "--count-limit", "2")
    assert done == (0, "2\n", "There can be more: counting stopped at --count-limit.\n")


def test_groups_are_rows_and_all_of_them_one_more(look: Look) -> None:
    done = look("task-run", "aggregate", "--group-by", "state")
    assert (done.code, done.err) == (0, "")
    assert [line.split() for line in done.out.splitlines()] == [
        ["STATE", "COUNT"],
        ["Failed", "2"],
        ["Mapped", "2"],
        ["Queued", "1"],
        ["Running", "1"],
        ["Success", "10"],
        ["TriggerFailed", "1"],
        ["all", "17"],
    ]


def test_measures_are_shown_as_they_were_asked_for(look: Look) -> None:
    asked = ("task-run", "aggregate", "-f", "etl", "-b", "day,flow_name", "-m", "p50_duration,count,max_queue_time")
    done = look(*asked, "-m", "last_end_time")
    assert [line.split() for line in done.out.splitlines()] == [
        ["DAY", "FLOW_NAME", "COUNT", "P50_DURATION", "MAX_QUEUE_TIME", "LAST_END_TIME"],
        ["2021-05-12", "etl", "10", "1m00s", "3s", "2021-05-12T19:01:40Z"],
        ["-", "etl", "1", "2021-05-12T19:05:00Z"],
        ["all", "11", "1m00s", "3s", "2021-05-12T19:05:00Z"],
    ]


def test_without_groups_there_is_one_row(look: Look) -> None:
    assert look("task-run", "aggregate").out == "COUNT\n17\n"
    assert look("task-run", "aggregate", "--csv").out == "count\r\n17\r\n"


def test_csv_has_the_groups_only(look: Look) -> None:
    done = look("task-run", "aggregate", "--group-by", "state", "--measure", "sum_duration", "--csv", "-f", "nightly")
    assert list(csv.reader(io.StringIO(done.out))) == [
        ["state", "count", "sum_duration"],
        ["Queued", "1", ""],
        ["Running", "1", ""],
    ]


def test_json_is_what_the_api_has(look: Look, world: World) -> None:
    asked = ["-b", "flow_name", "-b", "hour", "-m", "avg_duration", "-m", "first_start_time"]
    done = look("task-run", "aggregate", *asked, "--json")
    assert (done.code, done.err) == (0, "")
    query = "group_by=flow_name&group_by=hour&measure=avg_duration&measure=first_start_time"
    with world.http() as http:
        answer = http.get(f"/task-runs/aggregate?{query}").json()
    told = json.loads(done.out.replace(".000000Z", "Z"))
    assert told == answer


def test_groups_that_are_not_shown_are_told(look: Look) -> None:
    done = look("task-run", "aggregate", "--group-by", "state", "--limit", "2", "--csv")
    assert len(done.out.splitlines()) == 3
    assert done.err == "There are more groups; to show them, raise --limit.\n"


def test_parents_of_maps_are_groups(look: Look, world: World) -> None:
    done = look("task-run", "aggregate", "--group-by", "mapped_parent_id", "--is-mapped-child", "--csv")
    parents = world.client.task_runs.list(is_mapped_parent=True).items
    assert {line.split(",")[0] for line in done.out.splitlines()[1:]} == {str(parent.id) for parent in parents}


def test_groups_are_sorted_by_what_is_shown(look: Look) -> None:
    done = look("task-run", "aggregate", "-f", "etl", "-b", "state", "--sort", "-max_duration,state", "--limit", "2")
    assert [line.split() for line in done.out.splitlines()] == [
        ["STATE", "COUNT", "MAX_DURATION"],
        ["Failed", "1", "1h01m"],
        ["Mapped", "2", "1h01m"],
        ["all", "11", "1h01m"],
    ]


def test_hours_and_days_are_those_of_a_time_zone(look: Look) -> None:
    zone = ("-f", "etl", "--state", "Success", "--timezone", "Asia/Kolkata")
    hours = look("task-run", "aggregate", *zone, "-b", "hour").out.splitlines()
    assert hours[1].split()[0] == "2021-05-12T23:00+05:30"
    days = look("task-run", "aggregate", *zone, "-b", "day,week").out.splitlines()
    assert days[1].split()[:2] == ["2021-05-12", "2021-05-10"]


def test_buckets_are_the_last_key(look: Look) -> None:
    done = look("task-run", "aggregate", "-f", "etl", "--state", "Success", "-b", "flow_name", "--bucket", "PT5M")
    assert done.out.splitlines()[1].split()[:2] == ["etl", "2021-05-12T18:00Z"]
    refused = look("task-run", "aggregate", "--bucket", "PT5S")
    assert (refused.code, "bucket" in refused.err) == (2, True)


def test_histogram_has_a_row_for_each_interval(look: Look) -> None:
    arguments = ("task-run", "aggregate", "-f", "etl", "--state", "Success,Failed", "--histogram", "duration")
    rows = list(csv.DictReader(io.StringIO(look(*arguments, "--csv").out)))
    counts = json.loads(look(*arguments, "--json").out)["histogram"]["counts"]
    assert {row["count"] for row in (rows[0], rows[-1])}.isdisjoint({"0"})
    assert sum(int(row["count"]) for row in rows) == sum(map(sum, counts.values()))
    assert [row["upper_bound"] for row in rows[:-1]] == [row["lower_bound"] for row in rows[1:]]
    assert (rows[-1]["lower_bound"], rows[-1]["upper_bound"], rows[-1]["counts"]) == (
        *("3160.0", "5620.0"),
        '{"Failed": 1}',
    )
    lines = look(*arguments).out.splitlines()
    assert lines[0].split() == ["FROM", "TO", "COUNT", "STATES"]
    assert lines[-1].split()[::4] == ["52m40s", "1"]
    assert len(lines) == len(rows) + 1


def test_histogram_has_no_groups(look: Look) -> None:
    for option in (("-b", "state"), ("-m", "max_duration"), ("--limit", "3"), ("--bucket", "5m")):
        refused = look("flow-run", "aggregate", "--histogram", "duration", *option)
        assert (refused.code, "--histogram and --" in refused.err) == (2, True)
    assert look("flow-run", "aggregate", "--histogram", "duration", "-f", "none").err == "No runs.\n"


def test_groups_are_compared_with_those_of_an_earlier_window(look: Look) -> None:
    window = ("-f", "etl", "--since", "2021-05-13T00:00Z", "--until", "2021-05-14T00:00Z", "--compare", "1d")
    done = look("task-run", "aggregate", *window, "-b", "state", "-m", "max_duration", "--csv")
    rows = list(csv.reader(io.StringIO(done.out)))
    assert rows[0] == ["state", "count", "max_duration", "previous_count", "previous_max_duration"]
    assert all(int(row[3]) >= 0 for row in rows[1:])
    shown = look("task-run", "aggregate", *window, "-m", "max_duration").out.splitlines()
    assert shown[0].split() == ["COUNT", "MAX_DURATION", "PREVIOUS_COUNT", "PREVIOUS_MAX_DURATION"]


# Flow runs


def test_groups_by_message_show_when_they_were_seen(look: Look) -> None:
    arguments = ("task-run", "aggregate", "-b", "message", "--flow-name", "etl", "--state", "Failed")
    assert [line.split() for line in look(*arguments).out.splitlines()] == [
        ["MESSAGE", "COUNT", "FIRST_END_TIME", "LAST_END_TIME"],
        ["ZeroDivisionError:", "division", "by", "zero", "1", "2021-05-12T19:01:40Z", "2021-05-12T19:01:40Z"],
        ["all", "1", "2021-05-12T19:01:40Z", "2021-05-12T19:01:40Z"],
    ]
    assert look(*arguments, "--csv").out.splitlines()[0] == "message,count,first_end_time,last_end_time"


def test_flow_runs_are_counted_and_measured(look: Look) -> None:
    assert look("flow-run", "count") == (0, "4\n", "")
    assert look("flow-run", "count", "--state-group", "failed") == (0, "1\n", "")
    done = look("flow-run", "aggregate", "-f", "etl", "--group-by", "flow_name,state", "--measure", "max_duration")
    assert [line.split() for line in done.out.splitlines()] == [
        ["FLOW_NAME", "STATE", "COUNT", "MAX_DURATION"],
        ["etl", "Failed", "1", "1h06m"],
        ["etl", "Success", "1", "1m39s"],
        ["all", "2", "1h06m"],
    ]


def test_keys_are_those_of_the_service() -> None:
    assert set(aggregate_command.TASK_RUN_KEYS) == set(models.AggregateTaskRunsGroupByItem)
    assert set(aggregate_command.FLOW_RUN_KEYS) == set(models.AggregateFlowRunsGroupByItem)
    assert set(aggregate_command.BUCKET_TIMES) == set(models.AggregateTaskRunsBucketTime)
    assert set(aggregate_command.BUCKET_TIMES) == set(models.AggregateFlowRunsBucketTime)
    assert set(aggregate_command.HISTOGRAMS) == set(models.AggregateTaskRunsHistogram)
    assert set(aggregate_command.HISTOGRAMS) == set(models.AggregateFlowRunsHistogram)

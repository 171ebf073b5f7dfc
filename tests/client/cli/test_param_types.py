"""What options are read as, and how values are shown to people."""

import time as clock
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta

import click
import pytest

from taskruns.cli import formatting
from taskruns.cli.param_types import SECONDS, TIME, span


@contextmanager
def in_zone(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has the process in a time zone."""
    with monkeypatch.context() as context:
        context.setenv("TZ", name)
        clock.tzset()
        yield
    clock.tzset()


NOW = datetime(2021, 5, 12, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-05-12T18:00:00Z", NOW),
        ("2021-05-12T20:00:00+02:00", NOW),
        ("2021-05-12 18:00Z", NOW),
        ("2021-05-12T18:00:00.25Z", NOW + timedelta(milliseconds=250)),
    ],
)
def test_times_are_read(text: str, moment: datetime) -> None:
    assert TIME.convert(text, None, None) == moment
    assert TIME.convert(text, None, None).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 0),
        ("1d", -86400),
        ("1h30m", -5400),
        ("-2h", -7200),
        ("-7d", -604800),
        ("-1h30m", -5400),
        ("-90s", -90),
        ("+1w", 604800),
        ("-0.5m", -30),
    ],
)
def test_times_are_read_from_now(text: str, seconds: float) -> None:
    expected = datetime.now(UTC) + timedelta(seconds=seconds)
    assert abs((TIME.convert(text, None, None) - expected).total_seconds()) < 5


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-05-12", datetime(2021, 5, 12, 4, tzinfo=UTC)),
        ("2021-05-12T14:00:00", NOW),
        ("2021-05-12 14:00", NOW),
        ("2021-01-12T13:00", datetime(2021, 1, 12, 18, tzinfo=UTC)),
        ("2021-05-12T18:00:00Z", NOW),
    ],
)
def test_time_without_an_offset_is_of_the_time_zone_of_the_machine(
    text: str, moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_zone("America/New_York", monkeypatch):
        assert TIME.convert(text, None, None) == moment


def test_days_begin_in_the_time_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with in_zone("Pacific/Auckland", monkeypatch):
        today, yesterday = (TIME.convert(text, None, None) for text in ("today", "yesterday"))
        for moment in (today, yesterday):
            assert moment.astimezone().time() == time()
        assert (today.astimezone().date() - yesterday.astimezone().date()).days == 1
        assert today <= datetime.now(UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "h",
        "-2",
        "-2y",
        "--2h",
        "-h",
        "2021-13-01",
        "-99999999999d",
        "0001-01-01T00:00+14:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time"):
        TIME.convert(text, None, None)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5", 1.5), ("5m", 300), ("1h30m", 5400), ("0", 0)])
def test_seconds_are_read(text: str, seconds: float) -> None:
    assert SECONDS.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 m", "-", "m5", "nan", "inf", "-1", "1e400"])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number of seconds"):
        SECONDS.convert(text, None, None)


def test_span_is_no_more_than_that() -> None:
    assert span("1h 30m") is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (0.00042, "0.42ms"),
        (0.12, "120ms"),
        (0.9994, "999ms"),
        (0.9999, "1s"),
        (1.891162, "1.89s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (65, "1m05s"),
        (3599.6, "1h00m"),
        (7260, "2h01m"),
        (90061, "1d01h"),
        (-65, "-1m05s"),
    ],
)
def test_durations_are_shown_in_the_units_that_matter(seconds: float, shown: str) -> None:
    assert formatting.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "just now"),
        (-4, "just now"),
        (5, "5s ago"),
        (59, "59s ago"),
        (60, "1m ago"),
        (7199, "1h ago"),
        (86400 * 29, "29d ago"),
        (86400 * 30, None),
        (-90, "in 1m"),
        (-86400 * 400, None),
    ],
)
def test_times_are_shown_as_so_long_ago(seconds: float, shown: str | None) -> None:
    assert formatting.ago(NOW - timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (999_900, "1 MB"),
        (1_234_567, "1.23 MB"),
        (5 * 10**13, "50 TB"),
    ],
)
def test_sizes_are_shown(count: int, shown: str) -> None:
    assert formatting.size(count) == shown


def test_counts_are_in_the_order_of_a_life() -> None:
    assert (
        formatting.counts({"Failed": 1, "Zzz": 2, "Success": 3, "Running": 4})
        == "4 Running, 3 Success, 1 Failed, 2 Zzz"
    )


@pytest.mark.parametrize(
    ("state", "style"),
    [
        ("TimedOut", "red"),
        ("Cached", "green"),
        ("Looped", "cyan"),
        ("Cancelling", "blue"),
        ("Queued", "yellow"),
        ("New", ""),
    ],
)
def test_states_have_the_colour_of_their_kind(state: str, style: str) -> None:
    assert formatting.style_of(state) == style


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("name", None, ""),
        ("has_result", True, "yes"),
        ("has_result", False, "no"),
        ("duration", 65.0, "1m05s"),
        ("p95_queue_time", 0.5, "500ms"),
        ("version", 3, "3"),
        ("tags", ["a", "b\n"], r"a, b\n"),
        ("start_time", NOW, "2021-05-12T18:00:00Z"),
    ],
)
def test_members_are_shown_as_people_read_them(name: str, value: object, shown: str) -> None:
    assert formatting.shown(name, value, now=None) == shown

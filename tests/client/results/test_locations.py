"""Templates of locations: what they know, what is refused when a storage is made, and that no value climbs."""

import datetime
import re
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskruns.results import Fields, InvalidTemplate, LocalResult
from taskruns.results.locations import check, render

RUN = "0198c2f4-8f4b-7b34-9a3c-0d8b1f9a2c11"
FIELDS = Fields(
    date=datetime.datetime(2026, 3, 1, 23, 5, tzinfo=datetime.UTC),
    flow_name="etl",
    flow_run_id=RUN,
    flow_run_name="tidy-otter",
    map_index=7,
    parameters={"country": "de", "limit": 5},
    task_name="load",
    task_run_id="0198c2f4-0000-7b34-9a3c-0d8b1f9a2c11",
    task_run_name="load de",
    task_slug="load-1",
)
RENDERED = {
    "fixed.json": "fixed.json",
    "{flow_name}/{flow_run_id}/{task_slug}": f"etl/{RUN}/load-1",
    "{flow_run_name}/{task_name}/{task_run_name}.{map_index:03}": "tidy-otter/load/load de.007",
    "{task_run_id}": "0198c2f4-0000-7b34-9a3c-0d8b1f9a2c11",
    "{parameters[country]}/{parameters[limit]:02}": "de/05",
    "{date:%Y/%m/%d}/{task_slug}": "2026/03/01/load-1",
    "{date:%Y-%m-%dT%H-%M}": "2026-03-01T23-05",
    "{yesterday}/{today}/{tomorrow}": "2026-02-28/2026-03-01/2026-03-02",
    "{{{task_slug}}}": "{load-1}",
}
INVALID = {
    "": "empty",
    "/absolute": "relative",
    "a//b": "relative",
    "a/": "relative",
    "../{task_slug}": "relative",
    "a/./b": "relative",
    "a/{task_slug}/..": "relative",
    "{date:%Y/%m}/../../x": "relative",
    "s3://bucket/{task_slug}": "':'",
    "C:/results": "':'",
    "a\\b": r"'\\\\'",
    "a?versionId=1": r"'\?'",
    "a#b": "'#'",
    "a%2e": "'%'",
    "a\nb": r"'\\n'",
    "a\0b": r"'\\x00'",
    "{unknown}": "The fields are date, flow_name",
    "{}": "The fields are",
    "{0}": "The fields are",
    "{task_slug.__class__}": "The fields are",
    "{task_slug[0]}": "The fields are",
    "{parameters}": "The fields are",
    "{parameters[a][b]}": "The fields are",
    "{parameters[a].__class__}": "The fields are",
    "{parameters.keys}": "The fields are",
    "{task_slug!r}": "The fields are",
    "{date:{task_slug}}": "The fields are",
    "{task_slug": "expected '}'",
    "}": "Single '}'",
}


@pytest.mark.parametrize(("template", "location"), RENDERED.items())
def test_template_is_rendered(template: str, location: str) -> None:
    check(template)
    assert render(template, ".pickle", FIELDS) == location


@pytest.mark.parametrize(("template", "told"), INVALID.items())
def test_invalid_template_is_refused_when_the_storage_is_made(template: str, told: str) -> None:
    with pytest.raises(InvalidTemplate, match=told):
        LocalResult(location=template)


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"flow_run_id": RUN, "task_slug": "load-1"}, f"{RUN}/load-1.json"),
        ({"flow_run_id": RUN, "task_slug": "load-1", "map_index": -1}, f"{RUN}/load-1.json"),
        ({"flow_run_id": RUN, "task_slug": "load-1", "map_index": 0}, f"{RUN}/load-1/0.json"),
    ],
)
def test_results_are_kept_by_flow_run_and_task(fields: Fields, location: str) -> None:
    assert render(None, ".json", fields) == location


@pytest.mark.parametrize("fields", [{}, {"flow_run_id": RUN}, {"task_slug": "load-1"}])
def test_result_of_an_unknown_run_has_a_name_of_its_own(fields: Fields) -> None:
    first, second = (render(None, ".json", fields) for _ in range(2))
    assert first != second
    assert re.fullmatch(r"[0-9a-f-]{36}\.json", first)


def test_dates_are_of_now_in_utc() -> None:
    before, rendered, after = (
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S.%f"),
        render("{date:%Y-%m-%dT%H-%M-%S.%f}", "", {}),
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S.%f"),
    )
    assert before <= rendered <= after


@pytest.mark.parametrize("template", ["{flow_name}", "{parameters[country]}"])
def test_value_that_is_not_given_is_an_error(template: str) -> None:
    with pytest.raises(InvalidTemplate, match=re.escape(template)):
        render(template, "", {"parameters": {}} if "parameters" in template else {})


def test_unknown_field_is_an_error() -> None:
    with pytest.raises(InvalidTemplate, match="'flow' is not a field"):
        LocalResult().write(1, flow="etl")  # type: ignore[call-arg]


def test_format_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(InvalidTemplate, match="'05d' does not apply to str"):
        render("{task_slug:05d}", "", FIELDS)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("..", "=2E=2E"),
        (".", "=2E"),
        ("", "="),
        ("../../etc/passwd", "..=2F..=2Fetc=2Fpasswd"),
        ("a\\b", "a=5Cb"),
        ("C:", "C=3A"),
        ("%2e%2e", "=252e=252e"),
        ("a=b", "a=3Db"),
        ("a\0\n\x7fb", "a=00=0A=7Fb"),
        ("key?versionId=1#2", "key=3FversionId=3D1=232"),
        ("s3://other/key", "s3=3A=2F=2Fother=2Fkey"),
        ("{task_slug}", "{task_slug}"),
        ("ü ½", "ü ½"),
        ("\ud800", "=ED=A0=80"),
    ],
)
def test_value_is_one_name(value: str, name: str) -> None:
    assert render("{parameters[it]}", "", {"parameters": {"it": value}}) == name


def test_climbing_that_only_the_values_make_is_none() -> None:
    assert render("a/.{task_slug}/b", "", {"task_slug": "."}) == "a/=2E=2E/b"
    assert render("a/{date:.}./b", "", FIELDS) == "a/=2E=2E/b"


@given(st.text(), st.text())
def test_no_values_climb_add_folders_or_share_a_name(one: str, other: str) -> None:
    def location(value: Any) -> str:
        return render("a/{parameters[it]}/b", "", {"parameters": {"it": value}})

    path = PurePosixPath("/root") / location(one)
    assert path.parts[:3] == ("/", "root", "a")
    assert len(path.parts) == 5
    assert ".." not in path.parts
    assert (location(one) == location(other)) == (one == other)

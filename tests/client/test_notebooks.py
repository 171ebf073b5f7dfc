"""Pages as DataFrames, and pages and views as notebooks show them."""

import re
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID, uuid4

import pandas as pd
import pytest

from taskruns import Client, FlowRunView, TaskRunView
from taskruns.errors import ResultError
from taskruns.models import StatePage, TaskRunPage
from taskruns.notebooks import MAX_CELL, MAX_ROWS
from taskruns.pages import Page
from taskruns.results import MissingExtra
from tests.client.faults import Ask

HOSTILE = "<script>alert(1)</script>&\"'$x$\x1b[2J\u202e"
YEAR_9998 = datetime(9998, 12, 31, tzinfo=UTC)


class Tags(HTMLParser):
    """The tags and the texts of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


async def record(ask: Ask, items: list[dict[str, Any]], **flow_run: Any) -> UUID:
    made = await ask(lambda client: client.flow_runs.create(flow_name=flow_run.pop("flow_name", "frames"), **flow_run))
    if items:
        receipts = await ask(lambda client: client.flow_runs.report(made.id, items=items))
        assert [item.problem for item in receipts.items] == [None] * len(items)
    id: UUID = made.id
    return id


async def test_page_is_a_dataframe_of_its_items(ask: Ask) -> None:
    states = [{"type": "Running", "timestamp": "2021-05-12T18:00:00Z"}, {"type": "Success", "timestamp": YEAR_9998}]
    id = await record(ask, [{"task_slug": "a", "states": states, "tags": ["x"]}, {"task_slug": "b"}])
    page = await ask(lambda client: client.flow_runs.task_runs(id))
    frame = page.to_dataframe()
    assert list(frame.columns) == list(type(page.items[0]).__struct_fields__)
    assert list(frame.task_slug) == ["a", "b"]
    assert [list(frame.state), frame.id[0], frame.tags[0]] == [["Success", "Pending"], str(page.items[0].id), ["x"]]
    assert type(frame.state[0]) is type(frame.id[0]) is str
    assert [str(frame[name].dtype) for name in ("start_time", "end_time", "duration", "map_index", "has_result")] == [
        *("datetime64[us, UTC]", "datetime64[us, UTC]", "float64", "Int64", "boolean"),
    ]
    assert frame.end_time[0].to_pydatetime() == YEAR_9998
    assert pd.isna(frame.end_time[1])
    assert frame.duration[0] == page.items[0].duration
    assert list(frame.groupby("state").size()) == [1, 1]


async def test_dataframe_has_the_items_of_its_page_alone(ask: Ask) -> None:
    id = await record(ask, [{"task_slug": slug} for slug in "abc"])
    page = await ask(lambda client: client.flow_runs.task_runs(id, limit=2))
    assert list(page.to_dataframe().task_slug) == ["a", "b"]


async def test_dataframe_has_the_fields_that_were_chosen(ask: Ask) -> None:
    id = await record(ask, [{"task_slug": slug} for slug in "ab"])
    page = await ask(lambda client: client.flow_runs.task_runs_fields(id, fields=["task_slug", "end_time"]))
    frame = page.to_dataframe()
    assert sorted(frame.columns) == ["end_time", "task_slug"]
    assert str(frame.end_time.dtype) == "datetime64[us, UTC]"


async def test_every_list_is_a_dataframe(ask: Ask) -> None:
    details = {"type": "Running", "details": {"a": [1]}}
    id = await record(ask, [{"task_slug": "a", "states": [details]}], flow_name=str(uuid4()), labels=["x"])
    flow_run = await ask(lambda client: client.flow_runs.get(id))
    (task_run,) = (await ask(lambda client: client.flow_runs.task_runs(id))).items
    flow_runs = await ask(lambda client: client.flow_runs.list(flow_name=flow_run.flow_name))
    assert list(flow_runs.to_dataframe().task_run_counts) == [{"Running": 1}]
    states = (await ask(lambda client: client.task_runs.states(task_run.id))).to_dataframe()
    assert (list(states.details), list(states.version)) == ([{"a": [1]}], [1])


def test_page_without_items_has_all_columns() -> None:
    answers: list[Any] = [TaskRunPage(items=[], next_cursor=None), StatePage(items=[], next_cursor=None)]
    for answer in answers:
        frame = Page[Any](answer, lambda _: pytest.fail("no further page")).to_dataframe()
        assert (len(frame), len(frame.columns) > 5) == (0, True)
        assert "datetime64[us, UTC]" in map(str, frame.dtypes)


def test_dataframe_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    page = Page(TaskRunPage(items=[], next_cursor=None), lambda _: pytest.fail("no further page"))
    with pytest.raises(MissingExtra, match=r"^A DataFrame needs pandas: .*the extra `pandas` of taskruns"):
        page.to_dataframe()
    assert issubclass(MissingExtra, ResultError)
    assert page._repr_html_().startswith("<table")


async def test_notebook_shows_a_bounded_number_of_short_rows(ask: Ask) -> None:
    items = [{"task_slug": f"s{index:03}", "name": "n" * 255} for index in range(MAX_ROWS + 7)]
    id = await record(ask, items)
    page = await ask(lambda client: client.flow_runs.task_runs(id))
    html = Tags(page._repr_html_())
    assert html.tags.count("tr") == MAX_ROWS + 1
    assert html.texts[-1] == "… and 7 more rows"
    assert "57 items" in html.texts
    assert f"{'n' * MAX_CELL}…" in html.texts
    assert max(map(len, html.texts)) == MAX_CELL + 1
    further = await ask(lambda client: client.flow_runs.task_runs_fields(id, fields=["task_slug"], limit=2))
    assert Tags(further._repr_html_()).texts == ["2 items, and further pages", "task_slug", "s000", "s001"]


async def test_notebook_shows_what_others_wrote_as_text(ask: Ask) -> None:
    state = {"type": "Failed", "message": HOSTILE, "details": {HOSTILE: [HOSTILE] * 1000}}
    items = [{"task_slug": HOSTILE, "name": HOSTILE, "tags": [HOSTILE], "states": [state]}]
    id = await record(ask, items, name=HOSTILE, labels=[HOSTILE], flow_name=HOSTILE)
    task_runs = await ask(lambda client: client.flow_runs.task_runs(id))
    states = await ask(lambda client: client.task_runs.states(task_runs.items[0].id))
    flow_run = await ask(lambda client: client.flow_runs.get(id))
    client = Client("http://127.0.0.1:1")
    shown = [
        task_runs._repr_html_(),
        states._repr_html_(),
        TaskRunView(task_runs.items[0], client)._repr_html_(),
        FlowRunView(flow_run, client)._repr_html_(),
    ]
    for html in shown:
        tags = Tags(html)
        assert set(tags.tags) <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
        assert set(tags.attributes) == {("class", "tex2jax_ignore mathjax_ignore")}
        assert not re.search("[\x1b\u202e]", html)
        assert any("<script>alert(1)</script>&" in text for text in tags.texts)
        assert len(html) < 10_000


async def test_notebook_shows_the_members_of_views(ask: Ask) -> None:
    id = await record(ask, [{"task_slug": "a", "states": [{"type": "Success", "message": "Done."}]}], labels=["x"])
    flow_run = await ask(lambda client: client.flow_runs.get(id))
    (task_run,) = (await ask(lambda client: client.flow_runs.task_runs(id))).items
    client = Client("http://127.0.0.1:1")
    texts = Tags(FlowRunView(flow_run, client)._repr_html_()).texts
    assert texts[:3] == ["FlowRunView", "name", flow_run.name]
    assert {"<Pending>", "['x']", "{'Success': 1}", str(id)} <= set(texts)
    texts = Tags(TaskRunView(task_run, client)._repr_html_()).texts
    assert texts[:3] == ["TaskRunView", "task_slug", "a"]
    assert {'<Success: "Done.">', str(task_run.id)} <= set(texts)

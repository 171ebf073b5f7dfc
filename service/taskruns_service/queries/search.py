"""Search: what has an id or a name that begins with a text, found by indexes alone however much there is."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain, zip_longest

from sqlalchemy import Connection, Integer, Table, Text, cast, func, literal, literal_column, select, true

from taskruns_service import schemas
from taskruns_service.domain.states import StateType
from taskruns_service.queries.parameters import TEXT, Parameter
from taskruns_service.schemas.search import MAX_HITS, HitKind, SearchHit
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    Column,
    Prepared,
    Row,
    RowSelect,
    RowsParameter,
    id_between,
    item_text,
    json_items,
    placeholder,
    spellings_of_prefix,
)

PARAMETERS = (
    Parameter(
        name="q",
        value=TEXT,
        description="An id or at least its first 8 hexadecimal digits, or the beginning of a name or a task slug, in "
        "any case.",
        required=True,
        example="example",
    ),
)

_task_run, _flow_run, _flow = tables.task_run, tables.flow_run, tables.flow
_IDENTIFIER = re.compile(r"[0-9a-f]{8,32}")
_GROUPS = (slice(0, 8), slice(8, 12), slice(12, 16), slice(16, 20), slice(20, 32))
_LAST_CHARACTER = "\U0010ffff"
"""What follows the beginnings of names, where their last is looked for."""
_last_character = literal(_LAST_CHARACTER, Text(), literal_execute=True)
_MORE_THAN_FIT = literal(MAX_HITS + 1, literal_execute=True)

_flow_runs = select(
    *(_flow_run.c.id, _flow_run.c.name, _flow.c.name.label("flow_name"), _flow_run.c.state, _flow_run.c.created)
).join_from(_flow_run, _flow)
_flow_runs_by_id = Prepared(
    _flow_runs.where(id_between(_flow_run.c.id, placeholder("prefix", Text()), placeholder("prefix", Text())))
    .order_by(_flow_run.c.id.desc())
    .limit(_MORE_THAN_FIT)
)
_task_runs = (
    select(
        *(_task_run.c.id, func.coalesce(_task_run.c.name, _task_run.c.task_slug), _flow.c.name.label("flow_name")),
        *(_task_run.c.flow_run_id, _flow_run.c.name.label("flow_run_name"), _task_run.c.map_index),
        *(_task_run.c.state, _task_run.c.created),
    )
    .select_from(_task_run)
    .outerjoin(_flow_run, _flow_run.c.id == _task_run.c.flow_run_id)
    .outerjoin(_flow, _flow.c.id == _task_run.c.flow_id)
)
_task_runs_by_id = Prepared(
    _task_runs.where(id_between(_task_run.c.id, placeholder("prefix", Text()), placeholder("prefix", Text())))
    .order_by(_task_run.c.id.desc())
    .limit(_MORE_THAN_FIT)
)


def _newest(shown: RowSelect, runs: Table, *order: Column) -> Prepared:
    """The newest run of each of some names, in the order of the names; each is looked up by itself."""
    name = json_items(placeholder("names", RowsParameter), literal_column("0")).table_valued("value")
    run = runs.alias("run")
    newest = select(run.c.id).where(run.c.name == item_text(name.c.value, 0)).correlate(name)
    newest = newest.order_by(*(run.c[column.name].desc() for column in order)).limit(literal_column("1"))
    # Of a list PostgreSQL expects 100 items, and would rather read a table of 10,000 rows than look up so many.
    ids = select(newest.scalar_subquery()).select_from(name).limit(_MORE_THAN_FIT)
    return Prepared(shown.where(runs.c.id.in_(ids)).order_by(runs.c.name))


_newest_flow_runs = _newest(_flow_runs, _flow_run, _flow_run.c.created, _flow_run.c.id)
_newest_task_runs = _newest(_task_runs, _task_run, _task_run.c.id)


def search(connection: Connection, text: str) -> schemas.SearchHits:
    """What matches a text: ids first where it may begin one, the newest first; names in their order.

    Each kind gets the same share of the hits, as far as it has as many. Of runs with the same name, only the newest is
    a hit.
    """
    flows = [_name_hit(HitKind.flow, name) for name in _names(connection, _flow.c.name, text)]
    tasks = [_name_hit(HitKind.task, name) for name in _names(connection, _task_run.c.task_slug, text)]
    flow_runs: list[SearchHit] = []
    task_runs: list[SearchHit] = []
    digits = text.lower().replace("-", "")
    if _IDENTIFIER.fullmatch(digits):
        prefix = {"prefix": "-".join(part for group in _GROUPS if (part := digits[group]))}
        flow_runs += map(_flow_run_hit, _flow_runs_by_id.rows(connection, prefix))
        task_runs += map(_task_run_hit, _task_runs_by_id.rows(connection, prefix))
    flow_runs += map(_flow_run_hit, _named(connection, _newest_flow_runs, _flow_run, text, known=flow_runs))
    task_runs += map(_task_run_hit, _named(connection, _newest_task_runs, _task_run, text, known=task_runs))
    kinds = (flows, tasks, flow_runs, task_runs)
    in_turn = [hit for turn in zip_longest(*kinds) for hit in turn if hit is not None]
    shown = in_turn[:MAX_HITS]
    return schemas.SearchHits(items=[hit for hit in chain(*kinds) if hit in shown], truncated=len(in_turn) > len(shown))


def _named(
    connection: Connection, newest: Prepared, runs: Table, text: str, *, known: Sequence[SearchHit]
) -> Sequence[Row]:
    """The newest runs of the names that begin with a text, without those whose names are known from other hits."""
    known_names = {hit.name for hit in known}
    names = [[name] for name in _names(connection, runs.c.name, text) if name not in known_names]
    return newest.rows(connection, {"names": [names]}) if names else []


def _name_hit(kind: HitKind, name: str) -> SearchHit:
    return SearchHit(
        kind=kind,
        id=None,
        name=name,
        flow_name=name if kind is HitKind.flow else None,
        flow_run_id=None,
        flow_run_name=None,
        map_index=None,
        state=None,
        created=None,
    )


def _flow_run_hit(row: Row) -> SearchHit:
    id, name, flow_name, state, created = row
    return SearchHit(
        kind=HitKind.flow_run,
        id=id,
        name=name,
        flow_name=flow_name,
        flow_run_id=id,
        flow_run_name=name,
        map_index=None,
        state=StateType(state),
        created=created,
    )


def _task_run_hit(row: Row) -> SearchHit:
    id, name, flow_name, flow_run_id, flow_run_name, map_index, state, created = row
    return SearchHit(
        kind=HitKind.task_run,
        id=id,
        name=name,
        flow_name=flow_name,
        flow_run_id=flow_run_id,
        flow_run_name=flow_run_name,
        map_index=map_index,
        state=StateType(state),
        created=created,
    )


def _names(connection: Connection, column: Column, text: str) -> Sequence[str]:
    """The values of an indexed column that begin with a text in any case, in order: at most `MAX_HITS` and one more."""
    letters = spellings_of_prefix(text)
    beginnings = _beginnings(column).rows(connection, {"letters": letters, "length": len(letters)})
    names: list[str] = []
    for beginning in sorted(beginning for (beginning,) in beginnings):
        bounds = {"beginning": beginning, "end": beginning + _LAST_CHARACTER}
        names += (name for (name,) in _distinct(column).rows(connection, bounds))
        if len(names) > MAX_HITS:
            break
    return names[: MAX_HITS + 1]


@cache
def _beginnings(column: Column) -> Prepared:
    """The spellings of a text with which values of a column begin, made letter by letter of those that there are.

    A name of 20 letters has a million spellings, but few of them begin any name.
    """
    start = select(cast(literal_column("''"), Text).label("text"), literal_column("0", Integer).label("place"))
    beginnings = start.cte("beginnings", recursive=True)
    letters = placeholder("letters", RowsParameter)
    letter = json_items(letters, beginnings.c.place).table_valued("value")
    candidate = beginnings.c.text + item_text(letter.c.value, 0)
    # In this form, since of a range PostgreSQL may think that a scan of the table comes upon a row of it soon.
    first = select(column).where(column >= candidate).order_by(column).limit(literal_column("1")).scalar_subquery()
    longer = (
        select(candidate, beginnings.c.place + cast(item_text(letter.c.value, 1), Integer))
        .join_from(beginnings, letter, true())
        .where(first < candidate + _last_character)
    )
    beginnings = beginnings.union_all(longer)
    return Prepared(
        select(beginnings.c.text).where(beginnings.c.place == placeholder("length", Integer())).limit(_MORE_THAN_FIT)
    )


@cache
def _distinct(column: Column) -> Prepared:
    """The values of a column from a beginning to an end, each looked up behind the one before it."""
    end = placeholder("end")
    ordered = select(column).where(column < end).order_by(column).limit(literal_column("1"))
    first = ordered.where(column >= placeholder("beginning"))
    names = select(first.scalar_subquery().label("name")).cte("names", recursive=True)
    following: RowSelect = ordered.where(column > names.c.name).correlate(names)
    names = names.union_all(select(following.scalar_subquery()).where(names.c.name.is_not(None)))
    return Prepared(select(names.c.name).where(names.c.name.is_not(None)).limit(_MORE_THAN_FIT))

"""Lists: one declaration for each, of which its parameters in the document and what it does are both made."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Table, null, select

from taskruns_service import schemas
from taskruns_service.queries import filters, paging, parameters, plans
from taskruns_service.queries.filters import Filter, Where
from taskruns_service.queries.members import (
    ARTIFACT_MEMBERS,
    FLOW_RUN_SUMMARY_MEMBERS,
    LOG_MEMBERS,
    TASK_RUN_MEMBERS,
    Members,
    state_members,
)
from taskruns_service.queries.paging import SORT_LENGTH, Key, Page
from taskruns_service.queries.parameters import Parameter, Values, choice, text
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Column, RowSelect, placeholder
from taskruns_service.storage.lanes import QueryKind

_task_run, _flow_run, _flow = tables.task_run, tables.flow_run, tables.flow
_artifact = tables.task_run_artifact


class Listing(Struct, frozen=True, kw_only=True, eq=False):
    """A list of the API."""

    name: str
    """What the cursors of the list are for; other lists refuse them."""
    members: Members
    """What each item has."""
    identifier: Column
    """What makes the order total."""
    filters: tuple[Filter, ...]
    keys: Mapping[str, Key]
    """What the list can be sorted by."""
    default_sort: str
    fields: type[StrEnum] | None = None
    """The names of the members, if a client can choose some of them."""
    run_filter: str | None = None
    """The filter by the run in the path; it is not a parameter. None for a list of all runs."""
    has_fixed_order: bool = False
    """Whether a client can neither sort nor filter."""
    rows: RowSelect = select()
    """What the columns of the members are selected from, if that does not follow from them."""
    extra_column: Column = null()
    """What is read once for each page, beside the items."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the list of whole items.

        Older clients send `fields` here. It is not documented, because no schema could tell its effect.
        """
        chosen = (replace(field, required=False, is_documented=False) for field in self._fields)
        return (*self._page_parameters, *chosen)

    @property
    def fields_parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the list of items with chosen members."""
        return (*self._fields, *self._page_parameters)

    def query(self, values: Values, run_id: UUID | None = None) -> "ListQuery":
        """What a request asks of the list: the values of its parameters, and the run in its path.

        Raises InvalidRequest for a sort, and InvalidCursor for a cursor that is not of this query.
        """
        where = filters.filter_values(values, self.filters)
        sort = self.default_sort if self.has_fixed_order else values["sort"]
        conditions = () if self.has_fixed_order else (where,)
        if self.run_filter is None:
            question = paging.question_of(self.name, *conditions, sort)
        else:
            question = paging.question_of(self.name, run_id, *conditions, sort)
            where = {**where, self.run_filter: [run_id]}
        orders = paging.read_sort(sort, self.keys, self.identifier, across_flow_runs=self._is_across_flow_runs(where))
        fields = values.get("fields")
        page = paging.page_of(values, orders, question)
        return ListQuery(self, where, page, None if fields is None else tuple(dict.fromkeys(fields)))

    def _is_across_flow_runs(self, where: Where) -> bool:
        """Whether there may be so many rows that only an index can sort them."""
        return self.run_filter is None and len(where.get("flow_run_id", ())) != 1

    @property
    def _page_parameters(self) -> tuple[Parameter, ...]:
        if self.has_fixed_order:
            return (paging.LIMIT, paging.CURSOR)
        parameters = (filter_.parameter for filter_ in self.filters if filter_.name != self.run_filter)
        return (*parameters, self._sort, paging.LIMIT, paging.CURSOR)

    @property
    def _sort(self) -> Parameter:
        names = paging.leading_keys(self.keys, across_flow_runs=self._is_across_flow_runs({}))
        further = "; further keys can be any member that has an order" if len(names) < len(self.keys) else ""
        return Parameter(
            name="sort",
            value=text(SORT_LENGTH),
            description="Comma-separated keys, each with a leading `-` for descending order. The first key must be "
            f"one of {', '.join(names)}{further}. Items without a value come last.",
            default=self.default_sort,
            example=self.default_sort,
        )

    @property
    def _fields(self) -> tuple[Parameter, ...]:
        if self.fields is None:
            return ()
        parameter = Parameter(
            name="fields",
            value=choice(self.fields),
            description="The members that each item has, separated by commas.",
            many=True,
            comma_separated=True,
            required=True,
            example=["id", "state"],
        )
        return (parameter,)


class ListQuery(NamedTuple):
    """What is asked of a list."""

    listing: Listing
    where: Where
    page: Page
    fields: tuple[str, ...] | None = None
    """The members that each item has; None for all."""

    @property
    def kind(self) -> QueryKind:
        """What the query may cost."""
        return QueryKind.scan if plans.may_scan(self.where, self.page.orders) else QueryKind.read


def _history_of(history: Table, run_filter: str) -> Listing:
    run = Filter(run_filter, history.c[run_filter], "in", parameters.IDENTIFIER, "The states of this run.")
    return Listing(
        name=history.name,
        members=state_members(history),
        identifier=history.c.sequence,
        filters=(run,),
        keys=paging.history_keys(history),
        default_sort="timestamp,sequence",
        run_filter=run_filter,
        has_fixed_order=True,
    )


def _logs_of(run_filter: str, log_filters: tuple[Filter, ...]) -> Listing:
    return Listing(
        name="logs",
        members=LOG_MEMBERS,
        identifier=tables.log.c.id,
        filters=log_filters,
        keys=paging.LOG_KEYS,
        default_sort="timestamp",
        run_filter=run_filter,
    )


_flow_run_of_page, _flow_of_page = _flow_run.alias("run_of"), _flow.alias("flow_of")
_is_flow_run = _flow_run.c.id == placeholder("flow_run_id")
sequence_of_flow_run = select(_flow_run.c.sequence).where(_is_flow_run)

TASK_RUNS = Listing(
    name="task runs",
    members={**TASK_RUN_MEMBERS, "flow_run_name": _flow_run_of_page.c.name, "flow_name": _flow_of_page.c.name},
    identifier=_task_run.c.id,
    filters=filters.TASK_RUN_FILTERS,
    keys=paging.TASK_RUN_KEYS,
    default_sort="-created",
    fields=schemas.TaskRunField,
    # Outer joins, since with others planners would begin with the smaller table. PostgreSQL remembers what it has
    # looked up: neighbours have the same flow run.
    rows=select()
    .select_from(_task_run)
    .outerjoin(_flow_run_of_page, _flow_run_of_page.c.id == _task_run.c.flow_run_id)
    .outerjoin(_flow_of_page, _flow_of_page.c.id == _task_run.c.flow_id),
)
FLOW_RUN_TASK_RUNS = Listing(
    name="task runs",
    members={
        **TASK_RUN_MEMBERS,
        # Once for all rows, which have the same.
        "flow_run_name": select(_flow_run.c.name).where(_is_flow_run).scalar_subquery(),
        "flow_name": select(_flow.c.name).join_from(_flow, _flow_run).where(_is_flow_run).scalar_subquery(),
    },
    identifier=_task_run.c.id,
    filters=filters.TASK_RUN_FILTERS,
    keys=paging.TASK_RUN_KEYS,
    default_sort="created",
    fields=schemas.TaskRunField,
    run_filter="flow_run_id",
    extra_column=sequence_of_flow_run.scalar_subquery(),
)
FLOW_RUNS = Listing(
    name="flow runs",
    members=FLOW_RUN_SUMMARY_MEMBERS,
    identifier=_flow_run.c.id,
    filters=filters.FLOW_RUN_FILTERS,
    keys=paging.FLOW_RUN_KEYS,
    default_sort="-created",
    fields=schemas.FlowRunField,
    rows=select().join_from(_flow_run, _flow),
)
TASK_RUN_STATES = _history_of(tables.task_run_state, "task_run_id")
FLOW_RUN_STATES = _history_of(tables.flow_run_state, "flow_run_id")
TASK_RUN_ARTIFACTS = Listing(
    name="artifacts",
    members=ARTIFACT_MEMBERS,
    identifier=_artifact.c.id,
    filters=(
        Filter("task_run_id", _artifact.c.task_run_id, "in", parameters.IDENTIFIER, "The artifacts of this task run."),
    ),
    # Their ids begin with the time of the task run. A task run has few, so they need no index.
    keys={"created": Key(_artifact.c.created, datetime)},
    default_sort="created",
    run_filter="task_run_id",
    has_fixed_order=True,
)
TASK_RUN_LOGS = _logs_of("task_run_id", filters.TASK_RUN_LOG_FILTERS)
FLOW_RUN_LOGS = _logs_of("flow_run_id", filters.FLOW_RUN_LOG_FILTERS)
LISTINGS = (
    TASK_RUNS,
    FLOW_RUN_TASK_RUNS,
    FLOW_RUNS,
    TASK_RUN_STATES,
    FLOW_RUN_STATES,
    TASK_RUN_ARTIFACTS,
    TASK_RUN_LOGS,
    FLOW_RUN_LOGS,
)

"""The only place that knows the schema of Prefect Server 1: reads what a server has of its tables and columns."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import URL, Connection, text

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.prefect1.types import Row
from taskruns_service.storage import dialects
from taskruns_service.storage.database import Database
from taskruns_service.storage.transactions import Session

Rows = Sequence[Row]

PAGE = 200
"""Flow runs that are looked at together."""
PIECE = 2_000
"""Task runs that are read and written together."""
LOG_PIECE = 5_000

# What nothing can be copied without. It tells Prefect 1 from Prefect 2, which has some tables of the same names.
_NEEDED = {
    "project": {"id", "name", "tenant_id"},
    "flow": {"id", "name", "version", "project_id"},
    "task": {"id", "flow_id", "name", "slug"},
    "flow_run": {"id", "flow_id", "state"},
    "flow_run_state": {"id", "flow_run_id", "state"},
    "task_run": {"id", "flow_run_id", "task_id", "map_index", "state"},
    "task_run_state": {"id", "task_run_id", "state"},
}
_RUN = (
    *("id", "created", "updated", "version", "state", "state_timestamp", "state_message", "state_start_time"),
    *("start_time", "heartbeat", "name"),
)
_FLOW_RUN = (
    *(*_RUN, "flow_id", "parameters", "labels", "context", "idempotency_key"),
    *("scheduled_start_time", "auto_scheduled", "run_config", "agent_id"),
)
_TASK_RUN = (*_RUN, "flow_run_id", "task_id", "map_index", "run_count", "cache_key")
_STATE = ("id", "created", "timestamp", "state", "start_time", "version")
_LOG = ("id", "created", "flow_run_id", "task_run_id", "timestamp", "name", "level", "message", "info")
_ARTIFACT = ("id", "created", "updated", "task_run_id", "kind", "data")


class Source:
    """A database of Prefect Server, as it is at one moment. JSON comes as text."""

    def __init__(self, session: Session, columns: dict[str, dict[str, str]]) -> None:
        self._session = session
        self._columns = columns

    def has(self, table: str, column: str = "id") -> bool:
        """Whether this server has a table, with a column."""
        return column in self._columns.get(table, {})

    async def rows(self, table: str, names: Iterable[str], rest: str, **values: object) -> Rows:
        """Rows of a table `t`: columns that this server lacks are null, a table that it lacks has no rows."""
        if not self.has(table):
            return []
        chosen = ", ".join(self._column(table, name) for name in names)
        return await self._run(f"SELECT {chosen} FROM public.{table} AS t {rest}", values)

    async def portions(self, table: str, names: Iterable[str], size: int) -> AsyncIterator[Rows]:
        """All rows of a table, in portions, by id."""
        after = UUID(int=0)
        while rows := await self.rows(table, names, f"WHERE t.id > :after ORDER BY t.id LIMIT {size}", after=after):
            yield rows
            after = rows[-1].id

    async def count(self, table: str, flow_run_ids: list[UUID] | None = None) -> int:
        """How many rows a table has, in all or of some flow runs."""
        statement = f"SELECT count(*) FROM public.{table}"
        if flow_run_ids is None:
            ((number,),) = await self._run(statement, {})
        else:
            ((number,),) = await self._run(f"{statement} WHERE flow_run_id = ANY(:ids)", {"ids": flow_run_ids})
        return int(number)

    async def states(self, table: str, owner: str, ids: Sequence[UUID]) -> Rows:
        """The histories of some runs, each from its first state to the current one.

        `run_id` is the run, `details` what the serialized state has apart from its type, message and result. The order
        is that of the versions, as the server itself finds a run's current state.
        """
        document = "CAST(t.serialized_state AS jsonb)" if "serialized_state" in self._columns[table] else "NULL::jsonb"
        own_result = "t.result" if "result" in self._columns[table] else "NULL::json"
        message = "t.message" if "message" in self._columns[table] else "NULL"
        chosen = ", ".join(self._column(table, name) for name in _STATE)
        statement = f"""
            SELECT {chosen}, t.{owner} AS run_id,
                COALESCE({message}, d ->> 'message') AS message,
                CASE
                    WHEN jsonb_typeof(d) = 'object' THEN
                        NULLIF(d - '{{type,message,_result}}'::text[], '{{}}')::text
                END AS details,
                CASE
                    WHEN jsonb_typeof(d) = 'object' THEN
                        CASE WHEN jsonb_typeof(d -> '_result') = 'object' THEN (d -> '_result')::text END
                    WHEN json_typeof(CAST({own_result} AS json)) = 'object' THEN {own_result}::text
                END AS result,
                d ->> 'start_time' AS due
            FROM public.{table} AS t CROSS JOIN LATERAL (SELECT {document} AS d) AS document
            WHERE t.{owner} = ANY(:ids)
            ORDER BY t.{owner}, t.version NULLS FIRST{self.in_time(table)}
        """
        return await self._run(statement, {"ids": list(ids)})

    def in_time(self, table: str) -> str:
        """Returns the trailing ORDER BY terms."""
        return "".join(f", t.{name}" for name in ("timestamp", "created") if name in self._columns[table])

    def _column(self, table: str, name: str) -> str:
        match self._columns[table].get(name):
            case None:
                return f"NULL AS {name}"
            case "json" | "jsonb":
                return f"t.{name}::text AS {name}"
            case _:
                return f"t.{name}"

    async def _run(self, statement: str, values: dict[str, object]) -> Rows:
        with _explained():
            return await self._session.run(_rows, statement, values)


def _rows(connection: Connection, statement: str, values: dict[str, object]) -> Rows:
    bound = text(statement)
    dialects.check_values(dialects.names_in(bound), values)
    return connection.execute(bound, values).all()


def read_source_url(text: str) -> URL:
    """The URL of a database of Prefect Server; raises ConfigurationError when it is none."""
    try:
        url = dialects.read_url(text)
    except ConfigurationError:
        url = None
    if url is None or not dialects.capabilities(url).is_async:
        raise ConfigurationError(
            "The URL of Prefect Server's database must have the form postgresql://user:password@host:5432/prefect_server."
        )
    return url


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[Source]:
    """The source, as it is now; raises ConfigurationError when it is no database of Prefect Server 1."""
    async with AsyncExitStack() as stack:
        with _explained():
            session = await stack.enter_async_context(database.snapshot())
            rows = await session.run(_rows, _FIND_COLUMNS, {})
        columns: dict[str, dict[str, str]] = {}
        for row in rows:
            columns.setdefault(row.table, {})[row.column] = row.type
        missing = [
            f"{table}.{column}"
            for table, needed in _NEEDED.items()
            for column in sorted(needed - columns.get(table, {}).keys())
        ]
        if missing:
            raise ConfigurationError(f"This is not a Prefect Server 1 database: it has no {', '.join(missing)}.")
        yield Source(session, columns)


@contextmanager
def _explained() -> Iterator[None]:
    """Says whose database it is that cannot be read."""
    try:
        yield
    except dialects.DATABASE_ERRORS as error:
        original = getattr(error, "orig", None) or error
        sentence = str(original.__cause__ or original).partition("\n")[0]
        raise ConfigurationError(f"Cannot read the Prefect Server database: {sentence}") from error


_FIND_COLUMNS = """
    SELECT CAST(table_name AS text) AS "table", CAST(column_name AS text) AS "column", CAST(data_type AS text) AS type
    FROM information_schema.columns WHERE table_schema = 'public'
"""


class Piece(NamedTuple):
    """A part of a group of flow runs that are written together; the first part has the flow runs themselves."""

    task_runs_done: int
    flow_runs: Rows = ()
    flow_run_states: Rows = ()
    task_runs: Rows = ()
    task_run_states: Rows = ()
    artifacts: Rows = ()
    logs: Rows = ()
    ends: bool = False


async def read_runs(
    source: Source, known: Callable[[list[UUID]], Awaitable[set[UUID]]], *, with_logs: bool
) -> AsyncGenerator[Piece, None]:
    """All flow runs that are not `known`, in pieces that fit into memory, however many task runs one flow run has."""
    async for page in source.portions("flow_run", ["id"], PAGE):
        ids = [row.id for row in page]
        old = await known(ids)
        if old:
            yield Piece(await source.count("task_run", list(old)))
        order = f"WHERE t.flow_run_id = ANY(:ids) ORDER BY t.flow_run_id{source.in_time('task_run')}, t.id"
        task_runs: dict[UUID, list[UUID]] = {identifier: [] for identifier in ids if identifier not in old}
        for row in await source.rows("task_run", ["flow_run_id", "id"], order, ids=list(task_runs)):
            task_runs[row.flow_run_id].append(row.id)
        for group in _groups(task_runs):
            async for piece in _pieces(source, group, task_runs, with_logs=with_logs):
                yield piece


def _groups(task_runs: dict[UUID, list[UUID]]) -> Iterator[list[UUID]]:
    """Flow runs with about as many task runs together as a piece has; one that has more is a group of its own."""
    group: list[UUID] = []
    size = 0
    for flow_run_id, ids in task_runs.items():
        if group and size + len(ids) > PIECE:
            yield group
            group, size = [], 0
        group.append(flow_run_id)
        size += len(ids)
    if group:
        yield group


async def _pieces(
    source: Source, group: list[UUID], task_runs: dict[UUID, list[UUID]], *, with_logs: bool
) -> AsyncIterator[Piece]:
    wanted = [task_run_id for flow_run_id in group for task_run_id in task_runs[flow_run_id]]
    by_flow_run, by_id = "WHERE t.flow_run_id = ANY(:ids)", "WHERE t.id = ANY(:ids)"
    by_task_run = "WHERE t.task_run_id = ANY(:ids)"
    logs = await source.rows("log", ["id"], by_flow_run, ids=group) if with_logs else []
    log_ids = [row.id for row in logs]
    for start in range(0, max(len(wanted), 1), PIECE):
        ids = wanted[start : start + PIECE]
        yield Piece(
            len(ids),
            ends=start + PIECE >= len(wanted) and not log_ids,
            flow_runs=[] if start else await source.rows("flow_run", _FLOW_RUN, by_id, ids=group),
            flow_run_states=[] if start else await source.states("flow_run_state", "flow_run_id", group),
            task_runs=await source.rows("task_run", _TASK_RUN, by_id, ids=ids),
            task_run_states=await source.states("task_run_state", "task_run_id", ids),
            artifacts=await source.rows("task_run_artifact", _ARTIFACT, by_task_run, ids=ids),
        )
    for start in range(0, len(log_ids), LOG_PIECE):
        rows = await source.rows("log", _LOG, by_id, ids=log_ids[start : start + LOG_PIECE])
        yield Piece(0, logs=rows, ends=start + LOG_PIECE >= len(log_ids))

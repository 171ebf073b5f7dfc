"""Logs and artifacts: the mutations that keep what runs say and what task runs show."""

from collections.abc import Sequence
from datetime import UTC, datetime

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.results import check_link
from taskruns_service.prefect1.commands import logs_and_artifacts
from taskruns_service.prefect1.commands.logs_and_artifacts import LogLine
from taskruns_service.prefect1.graphql.context import Arguments, Context
from taskruns_service.prefect1.graphql.inputs import LEVEL_LENGTH, read_document, read_list, read_moment, read_name
from taskruns_service.prefect1.graphql.mutations.mutation import SUCCESS, Mutation, Payload
from taskruns_service.prefect1.types import Columns

LOG_LINES_MOST = 50_000


async def _write_run_logs(context: Context, arguments: Arguments) -> Payload:
    lines = await context.prepare(_read_lines, read_list(arguments["logs"], "logs", LOG_LINES_MOST))
    await context.database.transact(logs_and_artifacts.write_logs, lines)
    return SUCCESS


def _read_lines(logs: Sequence[Arguments]) -> list[Columns]:
    now = datetime.now(UTC)
    return logs_and_artifacts.read_lines(_read_line(line, now) for line in logs)


def _read_line(arguments: Arguments, now: datetime) -> LogLine:
    line = {name: value for name, value in arguments.items() if value is not None}
    if "level" in line:
        read_name(line["level"], "level", LEVEL_LENGTH)
    if "info" in line:
        read_document(line["info"], "info")
    return LogLine(**{**line, "timestamp": read_moment(line.get("timestamp"), "timestamp") or now})


async def _create_task_run_artifact(context: Context, arguments: Arguments) -> Payload:
    kind, data = read_name(arguments["kind"], "kind"), _read_shown(arguments)
    return {
        "id": await context.database.transact(logs_and_artifacts.create_artifact, arguments["task_run_id"], kind, data)
    }


async def _update_task_run_artifact(context: Context, arguments: Arguments) -> Payload:
    artifact_id, data = arguments["task_run_artifact_id"], _read_shown(arguments)
    return {"success": await context.database.transact(logs_and_artifacts.update_artifact, artifact_id, data)}


def _read_shown(arguments: Arguments) -> object:
    """What an artifact shows; raises InvalidRequest for a link that nobody should follow."""
    data = read_document(arguments.get("data"), "data")
    try:
        check_link(data)
    except ValueError as error:
        raise InvalidRequest(f"`data` is invalid: {error}.") from None
    return data


async def _delete_task_run_artifact(context: Context, arguments: Arguments) -> Payload:
    return {
        "success": await context.database.transact(
            logs_and_artifacts.delete_artifact, arguments["task_run_artifact_id"]
        )
    }


MUTATIONS: dict[str, Mutation] = {
    "write_run_logs": _write_run_logs,
    "create_task_run_artifact": _create_task_run_artifact,
    "update_task_run_artifact": _update_task_run_artifact,
    "delete_task_run_artifact": _delete_task_run_artifact,
}

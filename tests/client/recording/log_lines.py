"""What tests of logs share: a logger, a task that uses it, and the lines that are recorded."""

import logging

from taskruns import FlowRunRecorder, FlowRunView, task

log = logging.getLogger("etl.load")


def lines(run: FlowRunRecorder) -> list[tuple[str | None, str | None]]:
    """The lines of a flow run, oldest first, each with the task run that it is of, as `inc-1` or `inc-1[0]`."""
    return lines_of(run.view())


def lines_of(view: FlowRunView) -> list[tuple[str | None, str | None]]:
    names = {
        task_run_view.task_run.id: task_run_view.task_slug
        if task_run_view.map_index < 0
        else f"{task_run_view.task_slug}[{task_run_view.map_index}]"
        for task_run_view in view.get_all_task_runs()
    }
    return [(None if line.task_run_id is None else names[line.task_run_id], line.message) for line in view.get_logs()]


def messages(run: FlowRunRecorder) -> list[str | None]:
    return [message for _, message in lines(run)]


@task(result=None)
def say(text: object) -> object:
    log.warning("%s", text)
    return text

"""The unit of work: the runs of one transaction, locked and read together, changed in memory, written together."""

from taskruns_service.commands.unit_of_work.entries import FlowRunEntry, NaturalKey, TaskRunEntry, current_run
from taskruns_service.commands.unit_of_work.unit_of_work import UnitOfWork, read_task_runs

__all__ = ["FlowRunEntry", "NaturalKey", "TaskRunEntry", "UnitOfWork", "current_run", "read_task_runs"]

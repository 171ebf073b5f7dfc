"""What goes over HTTP."""

from taskruns_service.schemas.aggregates import Aggregate, AggregateGroup, GroupKey, Measures
from taskruns_service.schemas.artifacts import Artifact, ArtifactPage
from taskruns_service.schemas.attempts import MAX_ATTEMPT_STATES, TaskRunAttempt, TaskRunAttempts
from taskruns_service.schemas.common import (
    BULK_ITEMS,
    FLOW_RUN_EXAMPLE,
    JSON_DEPTH,
    LOG_LINE_EXAMPLE,
    MESSAGE_LENGTH,
    NAME_LENGTH,
    RUNNING_EXAMPLE,
    STATE_BYTES,
    STATE_EXAMPLE,
    SUCCESS_EXAMPLE,
    TASK_RUN_EXAMPLE,
    FlowRunId,
    TaskRunId,
)
from taskruns_service.schemas.fields import (
    FlowRunField,
    FlowRunFields,
    FlowRunFieldsPage,
    TaskRunField,
    TaskRunFields,
    TaskRunFieldsPage,
)
from taskruns_service.schemas.flow_run_tasks import MAX_TASKS, FlowRunTask, FlowRunTasks
from taskruns_service.schemas.logs import LogLine, LogLineReport, LogLineReports, LogPage, LogReceipt
from taskruns_service.schemas.problems import CurrentRun, ItemProblem, Problem, item_problem
from taskruns_service.schemas.receipts import FlowRunStateReceipt, TaskRunReceipt, TaskRunReceipts, TaskRunStateReceipt
from taskruns_service.schemas.requests import (
    FlowRunCreate,
    StateCreate,
    TaskRunReport,
    TaskRunReports,
    TaskRunStateReport,
    TaskRunStateReports,
    TaskRunUpdate,
    check_depth,
    expected_version,
)
from taskruns_service.schemas.results import ChildResult, TaskRunResult
from taskruns_service.schemas.runs import FlowRun, FlowRunPage, FlowRunSummary, State, StatePage, TaskRun, TaskRunPage
from taskruns_service.schemas.search import HitKind, SearchHit, SearchHits
from taskruns_service.schemas.service import Health, Readiness
from taskruns_service.schemas.timelines import Timeline

__all__ = [
    "BULK_ITEMS",
    "FLOW_RUN_EXAMPLE",
    "JSON_DEPTH",
    "LOG_LINE_EXAMPLE",
    "MAX_ATTEMPT_STATES",
    "MAX_TASKS",
    "MESSAGE_LENGTH",
    "NAME_LENGTH",
    "RUNNING_EXAMPLE",
    "STATE_BYTES",
    "STATE_EXAMPLE",
    "SUCCESS_EXAMPLE",
    "TASK_RUN_EXAMPLE",
    "Aggregate",
    "AggregateGroup",
    "Artifact",
    "ArtifactPage",
    "ChildResult",
    "CurrentRun",
    "FlowRun",
    "FlowRunCreate",
    "FlowRunField",
    "FlowRunFields",
    "FlowRunFieldsPage",
    "FlowRunId",
    "FlowRunPage",
    "FlowRunStateReceipt",
    "FlowRunSummary",
    "FlowRunTask",
    "FlowRunTasks",
    "GroupKey",
    "Health",
    "HitKind",
    "ItemProblem",
    "LogLine",
    "LogLineReport",
    "LogLineReports",
    "LogPage",
    "LogReceipt",
    "Measures",
    "Problem",
    "Readiness",
    "SearchHit",
    "SearchHits",
    "State",
    "StateCreate",
    "StatePage",
    "TaskRun",
    "TaskRunAttempt",
    "TaskRunAttempts",
    "TaskRunField",
    "TaskRunFields",
    "TaskRunFieldsPage",
    "TaskRunId",
    "TaskRunPage",
    "TaskRunReceipt",
    "TaskRunReceipts",
    "TaskRunReport",
    "TaskRunReports",
    "TaskRunResult",
    "TaskRunStateReceipt",
    "TaskRunStateReport",
    "TaskRunStateReports",
    "TaskRunUpdate",
    "Timeline",
    "check_depth",
    "expected_version",
    "item_problem",
]

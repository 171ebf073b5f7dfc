"""Flow runs and their summaries, which lack what never changes: parameters, context and idempotency key."""

from msgspec.structs import asdict, replace

from taskruns.models import FlowRun, FlowRunSummary


def summary_of(flow_run: FlowRun) -> FlowRunSummary:
    """The flow run without what its summary does not have."""
    return FlowRunSummary(**{name: getattr(flow_run, name) for name in FlowRunSummary.__struct_fields__})


def updated(flow_run: FlowRun, summary: FlowRunSummary) -> FlowRun:
    """Returns a flow run as a later summary has it; what a summary does not have never changes."""
    return replace(flow_run, **asdict(summary))

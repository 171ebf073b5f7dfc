"""The REST API: handlers by resource, and what they share."""

from taskruns_service.api import flow_runs, live, overviews, search, service, task_runs

HANDLERS = (
    *service.HANDLERS,
    *flow_runs.HANDLERS,
    *overviews.HANDLERS,
    *task_runs.HANDLERS,
    *search.HANDLERS,
    *live.HANDLERS,
    *flow_runs.LAST_HANDLERS,
)
"""Those in the OpenAPI document, in its order."""

PAGE_HANDLERS = service.PAGE_HANDLERS
"""Those of pages, which are for people."""

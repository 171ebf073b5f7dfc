"""The REST API and the HTTP side of GraphQL: handlers by resource, and what they share."""

from taskruns_service.api import flow_runs, graphql, service, task_runs

HANDLERS = (*service.HANDLERS, *flow_runs.HANDLERS, *task_runs.HANDLERS, *flow_runs.LAST_HANDLERS)
"""Those of the REST API, which are in the OpenAPI document in this order."""

UNDOCUMENTED = (*graphql.HANDLERS, *service.PAGE_HANDLERS)
"""Those that are not: GraphQL has its own schema, and pages are for people."""

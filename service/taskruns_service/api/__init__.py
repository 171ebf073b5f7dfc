"""The REST API and the HTTP side of GraphQL: handlers by resource, and what they share."""

from taskruns_service.api import flow_runs, graphql, service, task_runs

HANDLERS = (*flow_runs.HANDLERS, *task_runs.HANDLERS, *service.HANDLERS, *graphql.HANDLERS)

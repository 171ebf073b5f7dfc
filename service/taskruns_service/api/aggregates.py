"""Aggregates: answering with the counts and measures of one kind of runs."""

from taskruns_service.api import requests, responses
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.queries.aggregates import aggregate
from taskruns_service.queries.aggregations import Aggregation


async def answer_aggregate(request: ApiRequest, aggregation: Aggregation) -> JsonResponse:
    """The counts and measures that a request asks for; raises InvalidRequest."""
    question = aggregation.question(requests.query(request))
    if question.needs_snapshot:
        return responses.as_json(await request.database.read_snapshot(aggregate, question))
    return responses.as_json(await request.database.answer(question.kind, aggregate, question))

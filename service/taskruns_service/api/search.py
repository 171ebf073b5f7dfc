"""Search: the handler for /search."""

from taskruns_service import schemas
from taskruns_service.api import requests, responses, service
from taskruns_service.api.operations import READ_ERRORS, Answer, Scope, operation
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.queries import search


@operation(
    "GET",
    "/search",
    id="search_runs",
    summary="Search by id or name",
    tag=service.TAG,
    scope=Scope.read,
    parameters=search.PARAMETERS,
    answers={200: Answer("What was found.", schemas.SearchHits)},
    errors=READ_ERRORS,
)
async def search_runs(request: ApiRequest) -> JsonResponse:
    """Find runs by id, and flows, tasks and runs by the beginning of their names, in any case.

    An id can be shortened to its first 8 hexadecimal digits or more; the newest runs come first. Of flow runs, and of
    task runs, with the same name, the newest is found. The response has up to 20 hits.
    """
    return responses.as_json(await request.database.read(search.search, requests.query(request)["q"]))


HANDLERS = (search_runs,)

"""Lists: answering with a page of one."""

from taskruns_service.api import requests, responses
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.queries.listings import Listing
from taskruns_service.queries.pages import read_page


async def answer_page(request: ApiRequest, listing: Listing) -> JsonResponse:
    """The page of a list of all runs that a request asks for; raises InvalidRequest and InvalidCursor."""
    query = listing.query(requests.query(request))
    return responses.as_json(await request.database.answer(query.kind, read_page, query))

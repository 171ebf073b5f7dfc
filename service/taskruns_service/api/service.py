"""The service itself: whether it is alive and ready, and what it can do."""

from functools import cache, lru_cache
from http import HTTPStatus
from importlib.resources import files

from litestar import get

from taskruns_service import __version__, schemas
from taskruns_service.api import responses
from taskruns_service.api.documents import Document
from taskruns_service.api.operations import Answer, Scope, operation
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.domain.errors import NotReady
from taskruns_service.domain.json_values import JsonObject
from taskruns_service.storage.schema_watch import Watch

TAG = "service"


@operation(
    "GET",
    "/health",
    id="get_health",
    summary="Check whether the process is alive",
    tag=TAG,
    scope=Scope.public,
    answers={200: Answer("The process is alive.", schemas.Health)},
)
async def get_health() -> JsonResponse:
    """Check whether the process responds.

    This does not query the database, so that a database failure does not restart the process.
    """
    return responses.as_json(schemas.Health(status="ok", version=__version__))


@operation(
    "GET",
    "/ready",
    id="get_readiness",
    summary="Check whether the service is ready",
    tag=TAG,
    scope=Scope.public,
    answers={200: Answer("The service is ready.", schemas.Readiness)},
    errors=(NotReady,),
)
async def get_readiness(request: ApiRequest) -> JsonResponse:
    """Check whether the database responds, accepts changes, has no known damage, and has a supported schema.

    If not, `detail` gives the reason.
    """
    watch: Watch = request.app.state.watch
    if watch.refusal is not None:
        raise NotReady(watch.refusal)
    if (reason := await request.app.state.readiness.reason_against()) is not None:
        raise NotReady(reason, retry_after=1)
    return responses.as_json(schemas.Readiness(status="ok", version=__version__, warnings=await watch.risks()))


@operation(
    "GET",
    "/openapi.json",
    id="get_openapi",
    summary="Get this document",
    tag=TAG,
    scope=Scope.public,
    conditional=("If-None-Match",),
    answers={
        200: Answer("The OpenAPI document.", JsonObject, headers=("ETag",)),
        304: Answer("Nothing has changed."),
    },
)
async def get_openapi(request: ApiRequest) -> JsonResponse:
    """Get the OpenAPI document of this service."""
    return _openapi_of(request.app.state.document).answer(request)


@lru_cache(1)
def _openapi_of(document: bytes) -> Document:
    return Document(document, "application/json")


@operation(
    "GET",
    "/docs",
    id="get_documentation",
    summary="Read the API documentation",
    tag=TAG,
    scope=Scope.public,
    conditional=("If-None-Match",),
    answers={200: Answer("The documentation page.", str, headers=("ETag",)), 304: Answer("Nothing has changed.")},
)
async def get_documentation(request: ApiRequest) -> JsonResponse:
    """Get the documentation of the API as an HTML page."""
    page: Document = request.app.state.documentation
    return page.answer(request)


@get("/")
async def lead_to_pages(request: ApiRequest) -> JsonResponse:
    """Leads browsers to the pages, others to the documentation; clients of Prefect 1 send queries to the same path."""
    pages_path: str | None = request.app.state.pages_path
    headers = [(b"vary", b"Accept")]
    if pages_path is not None and "text/html" in (request.header(b"accept") or ""):
        return JsonResponse(b"", HTTPStatus.SEE_OTHER, [(b"location", pages_path.encode()), *headers])
    return JsonResponse(b"", HTTPStatus.FOUND, [(b"location", b"docs"), *headers])


@get("/favicon.ico")
async def get_icon(request: ApiRequest) -> JsonResponse:
    """The icon that browsers show for the pages."""
    return _icon().answer(request)


@cache
def _icon() -> Document:
    return Document(files("taskruns_service.api").joinpath("favicon.ico").read_bytes(), "image/x-icon")


PAGE_HANDLERS = (lead_to_pages, get_icon)
HANDLERS = (get_health, get_readiness, get_openapi, get_documentation)

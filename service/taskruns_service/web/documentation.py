"""The API reference at /docs: Swagger UI, which reads the OpenAPI document of the service, and what it is made of.

Why Swagger UI, and how it keeps to the policy of the pages: docs/decisions/0033-swagger-ui-is-the-reference.md.
"""

from functools import cache
from html import escape
from importlib.resources import files

from litestar import get
from litestar.params import FromPath

from taskruns_service.api.documents import Document
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.web.assets import Assets, admit_page, content_security_policy, read_folder

CONTENT_SECURITY_POLICY = content_security_policy("'none'")
_FOLDER = files("taskruns_service.web").joinpath("docs")


def make_documentation(root_path: str) -> Document:
    """The page at /docs; `root_path` is the prefix under which a proxy serves the service."""
    root = escape(root_path)
    page = _FOLDER.joinpath("index.html").read_text("utf-8")
    page = page.replace("ASSETS", f"{root}/docs/assets/{_assets().digest}")
    return Document(page.replace("ROOT", root).encode(), "text/html; charset=utf-8", policy=CONTENT_SECURITY_POLICY)


@cache
def _assets() -> Assets:
    return read_folder(_FOLDER)


@get("/docs/assets/{digest:str}/{path:path}", before_request=admit_page)
async def get_documentation_asset(request: ApiRequest, digest: FromPath[str], path: FromPath[str]) -> JsonResponse:
    """A file of the reference."""
    return await _assets().answer(request, digest, path.lstrip("/"))


HANDLERS = (get_documentation_asset,)

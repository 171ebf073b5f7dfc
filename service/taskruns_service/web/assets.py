"""The files of the pages, read once into memory, and the handlers that serve them.

Why there is no build: docs/decisions/0032-the-ui-is-modules-without-a-build.md.
"""

import asyncio
import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from litestar import Request, get
from litestar.datastructures import State
from litestar.params import FromPath

from taskruns_service.api import compression
from taskruns_service.api.compression import Representation
from taskruns_service.api.documents import Document
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.response_headers import Headers
from taskruns_service.api.responses import JsonResponse
from taskruns_service.domain.errors import NotFound

MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What browsers get; the other files, such as the types, are for the developers of the pages."""
WORKER_POLICY = "taskruns-worker"
"""The only Trusted Types policy: it makes the address of the timeline's worker, which browsers want for workers."""


def content_security_policy(trusted_types: str) -> str:
    """The Content-Security-Policy of a page whose scripts and styles are all files, by its Trusted Types policies."""
    return "; ".join(
        [
            "default-src 'none'",
            *("script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"),
            *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
            *("require-trusted-types-for 'script'", f"trusted-types {trusted_types}"),
        ]
    )


CONTENT_SECURITY_POLICY = content_security_policy(WORKER_POLICY)
_IMMUTABLE = b"public, max-age=31536000, immutable"
_LINKS = "<!-- the style sheet and the modules -->"
STYLES = "styles.css"
"""All style sheets, in the order of their names: one request instead of one for each."""
_FIRST = "sending.js"
_START = "main.js"
# The rows of ROUTES: the pattern of a path below /ui, and the name of the module of its page.
_ROUTES = "routes.js"
_ROUTE = re.compile(r'^ +\["(/[^"]*)", "(\w+)"(?:, \[.*\])?\],$', re.MULTILINE)
_IMPORT = re.compile(r'(?:^|;)(?:import|export)\b[^;"]*?\bfrom *"\./([^"]+)"', re.MULTILINE)


class Assets:
    """The files of the pages: each at an address that holds the digest of all of them, so that it never changes."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        """`contents` are the files by their path below the folder, as `vendor/preact.js`."""
        self.digest = _digest(contents)
        self._plain = {path: Representation(body, _headers(path, body)) for path, body in contents.items()}
        self._gzipped: dict[str, Representation] = {}
        self._imports: dict[str, list[str]] = {}

    async def answer(self, request: ApiRequest, digest: str, path: str) -> JsonResponse:
        """A file as the client takes it; raises NotFound, also for those of other versions."""
        if digest != self.digest or path not in self._plain:
            raise NotFound
        representation = self._plain[path]
        if compression.accepts_gzip(request.scope):
            representation = await self._gzip(path)
        return JsonResponse(representation.body, 200, representation.headers)

    async def _gzip(self, path: str) -> Representation:
        """A file as gzip, made when it is wanted first: for the reference, that takes 50 ms."""
        if path not in self._gzipped:
            self._gzipped[path] = await asyncio.to_thread(_gzipped, path, self._plain[path].body)
        return self._gzipped[path]

    def links(self, address: str, pages: Sequence[str]) -> str:
        """The links of index.html for these pages, which have the browser load their modules all at once.

        They are those that it would load one after another otherwise, as each is imported. Those come first that send
        what the page reads.
        """
        first = self._imported([_FIRST])
        modules = sorted(self._imported([_START, *pages]), key=lambda path: (path not in first, path))
        preloads = [f'<link rel="modulepreload" href="{address}/{path}">' for path in modules]
        return "\n".join([f'<link rel="stylesheet" href="{address}/{STYLES}">', *preloads])

    def _imported(self, modules: Sequence[str]) -> set[str]:
        """These modules, and all that they import."""
        reached: set[str] = set()
        waiting = list(modules)
        while waiting:
            if (path := waiting.pop()) not in reached:
                reached.add(path)
                waiting += self._imports_of(path)
        return reached

    def _imports_of(self, path: str) -> list[str]:
        """What a module imports itself, read from it once: each of the pages imports most of the modules."""
        if path not in self._imports:
            folder = path.rpartition("/")[0]
            names = _IMPORT.findall(self._plain[path].body.decode())
            self._imports[path] = [f"{folder}/{name}" if folder else name for name in names]
        return self._imports[path]

    def routes(self) -> list[tuple[str, str]]:
        """The patterns of paths below /ui, such as `/flow-runs/:flow_run_id`, and the modules of their pages."""
        return [(pattern, f"{name}.js") for pattern, name in _ROUTE.findall(self._plain[_ROUTES].body.decode())]


class Pages:
    """The pages of one service."""

    def __init__(self, root_path: str) -> None:
        """`root_path` is the prefix under which a proxy serves the service; empty without one."""
        self.path = f"{root_path}/ui/"
        self.assets = read_assets()
        self._address = escape(f"{root_path}/ui/assets/{self.assets.digest}")
        self._unknown = self._index([])
        self._by_length: dict[int, list[tuple[list[str], Document]]] = {}
        for pattern, page in self.assets.routes():
            parts = pattern.split("/")
            self._by_length.setdefault(len(parts), []).append((parts, self._index([page])))

    def index(self, path: str) -> Document:
        """The index.html for a path below /ui: the same for all, but for the modules that are loaded with it."""
        parts = f"/{path.strip('/')}".split("/")
        for pattern, document in self._by_length.get(len(parts), ()):
            if all(name.startswith(":") or name == part for name, part in zip(pattern, parts, strict=True)):
                return document
        return self._unknown

    def _index(self, pages: Sequence[str]) -> Document:
        text = _folder().joinpath("index.html").read_text("utf-8")
        text = text.replace(_LINKS, self.assets.links(self._address, pages)).replace("ASSETS", self._address)
        return Document(text.encode(), "text/html; charset=utf-8", policy=CONTENT_SECURITY_POLICY)


@cache
def read_assets() -> Assets:
    """The files that browsers get."""
    contents = dict(_contents(_folder(), ""))
    sheets = sorted(path for path in contents if path.endswith(".css"))
    styles = b"\n".join(contents.pop(path) for path in sheets)
    return Assets({**contents, STYLES: styles})


def _folder() -> Traversable:
    return files("taskruns_service.web").joinpath("ui")


def _contents(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    contents: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            contents += _contents(entry, f"{prefix}{entry.name}/")
        elif _suffix(entry.name) in MEDIA_TYPES:
            contents.append((prefix + entry.name, entry.read_bytes()))
    return contents


def read_folder(folder: Traversable) -> Assets:
    """The files of another folder that browsers get."""
    return Assets(dict(_contents(folder, "")))


def _suffix(path: str) -> str:
    return "." + path.rpartition(".")[2]


def _digest(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.blake2b(digest_size=9)
    for path, body in sorted(contents.items()):
        digest.update(b"%s %d " % (path.encode(), len(body)))
        digest.update(body)
    return digest.hexdigest()


def _headers(path: str, body: bytes) -> Headers:
    return compression.varying(
        [
            (b"content-type", MEDIA_TYPES[_suffix(path)].encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", _IMMUTABLE),
        ]
    )


def _gzipped(path: str, body: bytes) -> Representation:
    compressed = gzip.compress(body, mtime=0)
    return Representation(compressed, [*_headers(path, compressed), (b"content-encoding", b"gzip")])


async def admit_page(request: Request[object, object, State]) -> None:
    """Admits everybody, in place of `admit`: the pages hold no data, and read their query strings themselves."""


@get(["/ui", "/ui/{path:path}"], before_request=admit_page)
async def show_page(request: ApiRequest, path: FromPath[str] = "") -> JsonResponse:
    """Answers every path below /ui with index.html, whose modules show by the address what that names."""
    pages: Pages = request.app.state.pages
    return pages.index(path).answer(request)


@get("/ui/assets/{digest:str}/{path:path}", before_request=admit_page)
async def get_asset(request: ApiRequest, digest: FromPath[str], path: FromPath[str]) -> JsonResponse:
    """A file of the pages."""
    pages: Pages = request.app.state.pages
    return await pages.assets.answer(request, digest, path.lstrip("/"))


HANDLERS = (show_page, get_asset)

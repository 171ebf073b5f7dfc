"""The application: the only wiring of settings, database, writer and handlers."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from taskruns_service.api import HANDLERS, PAGE_HANDLERS
from taskruns_service.api.admission import admit
from taskruns_service.api.background_tasks import running
from taskruns_service.api.bodies import BodyLimits
from taskruns_service.api.compression import RepresentationCache
from taskruns_service.api.connections import close_connections, watch_connections
from taskruns_service.api.document import make_document
from taskruns_service.api.gate import Gate
from taskruns_service.api.key_ring import KeyRing
from taskruns_service.api.middleware import RequestMiddleware, allow_header
from taskruns_service.api.path_prefixes import WithoutPrefix
from taskruns_service.api.problems import answer_problem
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.shutdown import OnStop, Requests, Stopping
from taskruns_service.commands import heartbeats
from taskruns_service.commands.heartbeats import UnbrokenWatch
from taskruns_service.domain.errors import RefusedValue, ServiceError
from taskruns_service.live.live import Live
from taskruns_service.logs import configure_logs
from taskruns_service.prefect1.graphql.background import Background
from taskruns_service.prefect1.graphql.context import Resources
from taskruns_service.prefect1.graphql.handlers import HANDLERS as GRAPHQL_HANDLERS
from taskruns_service.prefect1.graphql.schema import make_schema
from taskruns_service.settings import Settings, read_settings
from taskruns_service.storage import dialects, tables, tally
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.readiness import Readiness
from taskruns_service.storage.replicas import open_replicas
from taskruns_service.storage.schema_watch import Watch
from taskruns_service.storage.writer import Writer
from taskruns_service.web.assets import HANDLERS as UI_HANDLERS
from taskruns_service.web.assets import Pages
from taskruns_service.web.documentation import HANDLERS as DOCUMENTATION_HANDLERS
from taskruns_service.web.documentation import make_documentation

log = structlog.get_logger()

OVERVIEW_CACHE_BYTES = 32 * 2**20
FOLD_SECONDS = 1.0
SETTLE_SECONDS = 5.0
ANALYZE_SECONDS = 1.0
ANALYZE_BYTES = range(2**17, 2**28)
"""How large task_run is when it is analyzed: from some hundred rows on, and while that takes a fraction of a second."""


def create_app(
    settings: Settings, handlers: tuple[HTTPRouteHandler, ...] = HANDLERS, *, on_stop: OnStop | None = None
) -> RequestMiddleware:
    """Makes the application; it opens the database when it starts.

    From what `on_stop` tells on, which the server hears as well, it ends what would hold up the server.
    """
    limits = BodyLimits(memory=settings.body_memory * 2**20, seconds=settings.receive_timeout)
    requests = Requests()
    stopping = Stopping(requests, limits.shorten, partial(close_connections, settings.port))

    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        names = ("pool_size", "max_scans", "max_wait", "query_timeout", "write_timeout")
        bounds = {name: getattr(settings, name) for name in (*names, "is_pooled")}
        async with (
            open_database(settings.url, synchronous=settings.synchronous, **bounds) as database,
            open_replicas(database, settings.read_url, **bounds) as replicas,
            Writer(database, capacity=settings.queue_size).running() as writer,
            stopping.ready(on_stop),
        ):
            app.state.replicas = replicas
            background = Background()
            app.state.overviews = RepresentationCache(OVERVIEW_CACHE_BYTES)
            app.state.graphql = Resources(background, settings.answer_bytes, settings.query_timeout)
            if replicas is not None:
                await database.note_position()
            app.state.database = database
            app.state.writer = writer
            app.state.readiness = Readiness(database)
            app.state.key_ring = KeyRing(database) if settings.needs_keys else None
            app.state.live = live = Live(
                database,
                limit=settings.watchers,
                is_shared=not dialects.capabilities(settings.url).auto_migrates,
                find_scope=app.state.key_ring.scope_of if settings.needs_keys else None,
            )
            stopping.end_streams = live.streams.stop
            app.state.watch = Watch(database, settings.synchronous, replicas)
            background_tasks = [
                background.tidy(),
                live.run(),
                app.state.watch.run(),
                _settle(database, settings.heartbeat_timeout),
            ]
            if dialects.capabilities(settings.url).defers_tally:
                background_tasks += [_fold(database), _analyze(database)]
            try:
                async with running(*background_tasks):
                    yield
            finally:
                background.close()

    app = Litestar(
        [
            *handlers,
            *GRAPHQL_HANDLERS,
            *PAGE_HANDLERS,
            *DOCUMENTATION_HANDLERS,
            *(UI_HANDLERS if settings.ui else ()),
        ],
        lifespan=[run],
        request_class=ApiRequest,
        before_request=admit,  # type: ignore[arg-type]  # it gets what request_class says
        exception_handlers={Exception: answer_problem},
        # The document is made from the same declarations that the handlers check by.
        openapi_config=None,
        logging_config=None,
    )
    app.state.document = make_document(handlers, needs_keys=settings.needs_keys)
    app.state.documentation = make_documentation(settings.root_path)
    app.state.pages = pages = Pages(settings.root_path) if settings.ui else None
    app.state.pages_path = None if pages is None else pages.path
    routed = WithoutPrefix(app, settings.root_path) if settings.root_path else app
    gate = Gate(routed, settings.host_policy, limits)
    return RequestMiddleware(gate, _methods(app), requests, position=lambda: app.state.database.position)


def application(on_stop: OnStop) -> RequestMiddleware:
    """The application as the environment sets it up: what the server's processes load."""
    settings = read_settings(os.environ)
    configure_logs(settings.log_level, settings.log_format)
    arguments = (settings.port, settings.receive_timeout)
    threading.Thread(target=watch_connections, args=arguments, name="connections", daemon=True).start()
    app = create_app(settings, on_stop=on_stop)
    make_schema()  # or the first request would wait for it
    _collect_seldom()
    return app


def _collect_seldom() -> None:
    """Makes the garbage collector look through what is new only, and seldom.

    What an application is made of stays for ever, and requests leave no cycles. As Python comes, a fifth of the time of
    bulk reports went into looking for some (docs/decisions/0017-a-transaction-writes-in-one-statement.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _fold(database: Database) -> None:
    """Keeps the changes that are not in the tally yet few, so that counting stays quick."""
    while True:
        await asyncio.sleep(FOLD_SECONDS)
        # A fold that fails changes nothing; the next one takes its rows too.
        with suppress(ServiceError, *dialects.DATABASE_ERRORS):
            while await database.write(tally.fold) == tally.FOLD_BATCH_SIZE:
                pass


async def _settle(database: Database, seconds: float) -> None:
    """Lets flow runs that are silent for so many seconds become Crashed, none if 0, and others return."""
    watch = UnbrokenWatch(seconds)
    while True:
        await asyncio.sleep(min(seconds / 10, SETTLE_SECONDS) if seconds else SETTLE_SECONDS)
        # What fails changes nothing; the next look finds it again.
        with suppress(ServiceError, *dialects.DATABASE_ERRORS):
            moment, has_work = await database.read(heartbeats.look, seconds or None)
            silence = seconds if seconds and watch.is_unbroken(moment) else None
            while has_work:
                crashed, has_work = await database.write(heartbeats.settle, silence)
                for flow_run_id in crashed:
                    log.warning("flow run crashed", flow_run_id=str(flow_run_id))


async def _analyze(database: Database) -> None:
    """Has PostgreSQL's planner know a new database before autovacuum comes by, about a minute after the first rows.

    Until then look-ups by key scan whole tables: the plans that are kept were made for empty ones.
    """
    while True:
        await asyncio.sleep(ANALYZE_SECONDS)
        try:
            size = await database.read(dialects.size_without_statistics, tables.task_run.name)
            if size is None or size >= ANALYZE_BYTES.stop:
                return
            if size in ANALYZE_BYTES:
                await database.write(dialects.analyze, list(tables.metadata.tables))
                return
        except RefusedValue:
            return  # an engine that speaks PostgreSQL's protocol, but keeps no such statistics
        except (ServiceError, *dialects.DATABASE_ERRORS):
            pass  # nothing has changed, and it is tried again


def _methods(app: Litestar) -> dict[str, str]:
    """What an Allow header says, by path template."""
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    return {route.path_format: allow_header(map(str, route.methods)) for route in routes}

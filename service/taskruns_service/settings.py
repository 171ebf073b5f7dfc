"""Settings: everything that may be set, read from the environment on request and never at import."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import platformdirs
from msgspec import Meta, Struct
from sqlalchemy import URL

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.domain.hosts import Authority, HostPolicy, is_loopback_address, read_authority
from taskruns_service.storage import dialects

PREFIX = "TASKRUNS_"


def default_database_url() -> str:
    """A SQLite file in the user's data directory."""
    return dialects.file_url(Path(platformdirs.user_data_dir("taskruns")) / "taskruns.db")


class Settings(Struct, frozen=True, kw_only=True):
    """All settings; each is `TASKRUNS_` and its name in capitals in the environment."""

    database_url: Annotated[str, Meta(description="The URL of the database: a SQLite file or a PostgreSQL server.")]
    read_database_url: Annotated[str, Meta(description="The URL of PostgreSQL standbys that can serve reads.")] = ""
    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="The port to listen on.")] = 4200
    workers: Annotated[
        int, Meta(ge=1, le=64, description="The number of processes; more than one requires PostgreSQL.")
    ] = 1
    allowed_hosts: Annotated[
        str, Meta(description="Additional names of the service, separated by commas: host or host:port.")
    ] = ""
    connections: Annotated[
        int, Meta(ge=16, le=100_000, description="The maximum number of open connections in each process.")
    ] = 4096
    watchers: Annotated[int, Meta(ge=0, description="The maximum number of open streams in each process.")] = 1000
    receive_timeout: Annotated[
        float,
        Meta(
            ge=1,
            le=3600,
            description="The number of seconds in which a request must arrive, and for which a connection can be idle.",
        ),
    ] = 30.0
    body_memory: Annotated[
        int, Meta(ge=8, description="The memory in MiB for the bodies of all requests in each process.")
    ] = 64
    require_keys: Annotated[bool, Meta(description="Require API keys on loopback addresses too.")] = False
    insecure: Annotated[bool, Meta(description="Serve addresses other than loopback without API keys.")] = False
    pool_size: Annotated[
        int,
        Meta(ge=1, le=100, description="The number of database connections for look-ups and lists in each process."),
    ] = 8
    max_scans: Annotated[
        int, Meta(ge=1, le=100, description="The maximum number of concurrent queries that can read whole tables.")
    ] = 4
    max_wait: Annotated[
        float, Meta(gt=0, description="The maximum number of seconds that a query is expected to wait.")
    ] = 3.0
    queue_size: Annotated[
        int, Meta(ge=1, description="The maximum number of states that wait to be written in each process.")
    ] = 10_000
    query_timeout: Annotated[float, Meta(gt=0, description="The maximum number of seconds for a query.")] = 30.0
    write_timeout: Annotated[
        float, Meta(gt=0, description="The maximum number of seconds for a write transaction.")
    ] = 10.0
    heartbeat_timeout: Annotated[
        float,
        Meta(
            ge=0,
            description="The number of seconds without a heartbeat after which a flow run that sent heartbeats becomes "
            "Crashed; 0 for never.",
        ),
    ] = 300.0
    answer_bytes: Annotated[
        int,
        Meta(
            ge=1_000_000,
            le=500_000_000,
            description="The maximum number of bytes in the response to a GraphQL request.",
        ),
    ] = 64_000_000
    synchronous: Annotated[
        Literal["FULL", "NORMAL"],
        Meta(description="SQLite only: FULL keeps every acknowledged write through a power failure."),
    ] = "FULL"
    ui: Annotated[bool, Meta(description="Serve the pages at /ui.")] = True
    root_path: Annotated[
        str,
        Meta(
            # Browsers take away the parts `.` and `..`.
            pattern=r"^(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~-]+)*\Z",
            max_length=200,
            description="The path under which a proxy serves the service, such as /taskruns.",
        ),
    ] = ""
    pooler: Annotated[
        Literal["none", "transaction"],
        Meta(
            description="PostgreSQL only: with transaction, the service works through a pooler that gives each "
            "transaction another connection, such as PgBouncer."
        ),
    ] = "none"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="The lowest level to log.")] = (
        "info"
    )
    log_format: Annotated[Literal["json", "console"], Meta(description="The format of log lines.")] = "json"

    @property
    def url(self) -> URL:
        """The database's URL with the driver that the service uses."""
        return dialects.read_url(self.database_url)

    @property
    def read_url(self) -> URL | None:
        """The URL of the standbys; None without any."""
        return dialects.prefer_standbys(dialects.read_url(self.read_database_url)) if self.read_database_url else None

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler may give each transaction another connection to PostgreSQL."""
        return self.pooler == "transaction"

    @property
    def needs_keys(self) -> bool:
        """Whether requests must carry an API key."""
        return self.require_keys or not (is_loopback(self.host) or self.insecure)

    @property
    def host_policy(self) -> HostPolicy:
        """Which hosts and origins are taken; raises ConfigurationError.

        Without keys a host is checked, but not where the operator serves others without them and names no host.
        """
        allowed = tuple(map(_allowed_host, filter(None, map(str.strip, self.allowed_hosts.split(",")))))
        return HostPolicy(
            checks_host=not self.needs_keys and (is_loopback(self.host) or bool(allowed)),
            own_host=f"[{self.host}]" if ":" in self.host else self.host.lower(),
            allowed=allowed,
        )


def _allowed_host(text: str) -> Authority:
    if (authority := read_authority(text)) is None:
        raise ConfigurationError(
            f"TASKRUNS_ALLOWED_HOSTS is invalid: {text!r} must be a host, or a host and a port, such as "
            f"runs.example.com or runs.example.com:8443."
        )
    return authority


def read_settings(environment: Mapping[str, str], **flags: object) -> Settings:
    """Reads settings from an environment; `flags` that are not None go first.

    Raises ConfigurationError that names the setting that is wrong.
    """
    values: dict[str, object] = {"database_url": default_database_url()}
    for field in msgspec.structs.fields(Settings):
        if text := environment.get(PREFIX + field.name.upper()):
            values[field.name] = text
    values |= {name: value for name, value in flags.items() if value is not None}
    for field in msgspec.structs.fields(Settings):
        if field.name in values:
            try:
                values[field.name] = msgspec.convert(values[field.name], field.type, strict=False)
            except msgspec.ValidationError as error:
                raise ConfigurationError(f"{PREFIX}{field.name.upper()} is invalid: {error}.") from None
    settings = msgspec.convert(values, Settings)
    _ = settings.host_policy  # raises what is wrong with it
    _refuse_wrong_databases(settings)
    return settings


def _refuse_wrong_databases(settings: Settings) -> None:
    urls = {"DATABASE_URL": settings.database_url}
    if settings.read_database_url:
        urls["READ_DATABASE_URL"] = settings.read_database_url
    for name, url in urls.items():
        try:
            # A file has no standbys, and none may stand in for a server's.
            capabilities = dialects.capabilities(dialects.read_url(url))
            if len(urls) > 1 and not capabilities.is_async:
                raise ConfigurationError(f"only PostgreSQL has standbys, but this is {capabilities.name}.")
        except ConfigurationError as error:
            raise ConfigurationError(f"{PREFIX}{name} is invalid: {error}") from None
    if settings.is_pooled and not dialects.capabilities(settings.url).is_async:
        raise ConfigurationError(f"{PREFIX}POOLER is invalid: SQLite has no poolers.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host == "localhost" or is_loopback_address(host)

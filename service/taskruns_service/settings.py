"""Settings: everything that may be set, read from the environment on request and never at import."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

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

    database_url: Annotated[str, Meta(description="The database: a file or a server.")]
    read_database_url: Annotated[str, Meta(description="PostgreSQL's standbys, which may answer questions.")] = ""
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port to listen on.")] = 4200
    workers: Annotated[int, Meta(ge=1, le=64, description="Processes; more than one on PostgreSQL only.")] = 1
    allowed_hosts: Annotated[str, Meta(description="Further names of the service, with commas: host or host:port.")] = (
        ""
    )
    connections: Annotated[int, Meta(ge=16, le=100_000, description="Open connections, in each process.")] = 4096
    receive_timeout: Annotated[
        float, Meta(ge=1, le=3600, description="Seconds in which a request has to arrive, and that idle ones may last.")
    ] = 30.0
    body_memory: Annotated[
        int, Meta(ge=8, description="MiB that the bodies of all requests may take, in each process.")
    ] = 64
    require_keys: Annotated[bool, Meta(description="Ask for API keys on loopback too.")] = False
    insecure: Annotated[bool, Meta(description="Serve without API keys beyond loopback.")] = False
    pool_size: Annotated[
        int, Meta(ge=1, le=100, description="Connections for look-ups and lists, in each process.")
    ] = 8
    max_scans: Annotated[int, Meta(ge=1, le=100, description="Questions at a time that may read whole tables.")] = 4
    max_wait: Annotated[float, Meta(gt=0, description="Seconds that a question may be expected to wait.")] = 3.0
    queue_size: Annotated[int, Meta(ge=1, description="States that may wait to be written, in each process.")] = 10_000
    query_timeout: Annotated[float, Meta(gt=0, description="Seconds that a question may take.")] = 30.0
    write_timeout: Annotated[float, Meta(gt=0, description="Seconds that a transaction of changes may take.")] = 10.0
    answer_bytes: Annotated[
        int, Meta(ge=1_000_000, le=500_000_000, description="Bytes that the answer to a GraphQL request may have.")
    ] = 64_000_000
    synchronous: Annotated[
        Literal["FULL", "NORMAL"], Meta(description="SQLite: FULL keeps every answered write through a power cut.")
    ] = "FULL"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="The least level logged.")] = (
        "info"
    )
    log_format: Annotated[Literal["json", "console"], Meta(description="How log lines look.")] = "json"

    @property
    def url(self) -> URL:
        """The database's URL with the driver that the service uses."""
        return dialects.read_url(self.database_url)

    @property
    def read_url(self) -> URL | None:
        """The URL of the standbys; None without any."""
        return dialects.prefer_standbys(dialects.read_url(self.read_database_url)) if self.read_database_url else None

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
            f"TASKRUNS_ALLOWED_HOSTS is wrong: {text!r} should be a host, or a host and a port, such as "
            "runs.example.com or runs.example.com:8443."
        )
    return authority


def read_settings(environment: Mapping[str, str], **flags: Any) -> Settings:
    """Reads settings from an environment; `flags` that are not None go first.

    Raises ConfigurationError that names the setting that is wrong.
    """
    values: dict[str, Any] = {"database_url": default_database_url()}
    for field in msgspec.structs.fields(Settings):
        if text := environment.get(PREFIX + field.name.upper()):
            values[field.name] = text
    values |= {name: value for name, value in flags.items() if value is not None}
    for field in msgspec.structs.fields(Settings):
        if field.name in values:
            try:
                values[field.name] = msgspec.convert(values[field.name], field.type, strict=False)
            except msgspec.ValidationError as error:
                raise ConfigurationError(f"{PREFIX}{field.name.upper()} is wrong: {error}.") from None
    settings = Settings(**values)
    _ = settings.host_policy  # raises what is wrong with it
    urls = {"DATABASE_URL": settings.database_url}
    if settings.read_database_url:
        urls["READ_DATABASE_URL"] = settings.read_database_url
    for name, url in urls.items():
        try:
            # A file has no standbys, and none may stand in for a server's.
            capabilities = dialects.capabilities(dialects.read_url(url))
            if len(urls) > 1 and not capabilities.is_async:
                raise ConfigurationError(f"only PostgreSQL has standbys, and this is {capabilities.name}.")
        except ConfigurationError as error:
            raise ConfigurationError(f"{PREFIX}{name} is wrong: {error}") from None
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host == "localhost" or is_loopback_address(host)

"""API keys: made and shown once, kept as a hash of their secret, and known to each process for a few seconds."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from taskruns_service import tables
from taskruns_service.database import Database

PREFIX = "trk"
TRUST_SECONDS = 3.0
KNOWN_MOST = 10_000

_key = tables.api_key
KeyScope = Literal["read", "write"]


class _Known(NamedTuple):
    scope: str
    secret_hash: str


def create_key(connection: Connection, name: str, scope: KeyScope) -> str:
    """Makes a key and gives its token, `trk_<id>_<secret>`, which can not be had again."""
    identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = {"id": identifier, "name": name, "scope": scope, "secret_hash": _hash(secret), "created": datetime.now(UTC)}
    connection.execute(insert(_key), row)
    return f"{PREFIX}_{identifier}_{secret}"


def list_keys(connection: Connection) -> list[Row[Any]]:
    """All keys, oldest first: rows (id, name, scope, created, revoked)."""
    columns = (_key.c.id, _key.c.name, _key.c.scope, _key.c.created, _key.c.revoked)
    return list(connection.execute(select(*columns).order_by(_key.c.created)))


def revoke_key(connection: Connection, identifier: str) -> bool:
    """Takes a key out of force; whether there was one in force."""
    in_force = (_key.c.id == identifier, _key.c.revoked.is_(None))
    return bool(connection.execute(update(_key).where(*in_force).values(revoked=datetime.now(UTC))).rowcount)


def count_keys(connection: Connection) -> int:
    """How many keys are in force."""
    return connection.execute(select(func.count()).select_from(_key).where(_key.c.revoked.is_(None))).scalar_one()


_find = select(_key.c.scope, _key.c.secret_hash).where(_key.c.id == bindparam("id"), _key.c.revoked.is_(None))


def _find_key(connection: Connection, identifier: str) -> _Known | None:
    row = connection.execute(_find, {"id": identifier}).one_or_none()
    return None if row is None else _Known(*row)


class KeyRing:
    """What one process knows of the keys. It asks again after three seconds, so that a revoked key soon stops."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, tuple[float, _Known | None]] = OrderedDict()

    async def scope_of(self, token: str) -> str | None:
        """The scope of a token, None if it is not that of a key in force."""
        prefix, _, rest = token.partition("_")
        identifier, _, secret = rest.partition("_")
        if (
            prefix != PREFIX
            or not secret
            or not (identifier.isascii() and identifier.isalnum())
            or len(identifier) > 32
        ):
            return None
        known = await self._find(identifier)
        if known is None or not hmac.compare_digest(known.secret_hash, _hash(secret)):
            return None
        return known.scope

    async def _find(self, identifier: str) -> _Known | None:
        now = time.monotonic()
        if (found := self._known.get(identifier)) is not None and now - found[0] < TRUST_SECONDS:
            return found[1]
        known = await self._database.look_up(_find_key, identifier)
        self._known[identifier] = (now, known)
        self._known.move_to_end(identifier)
        if len(self._known) > KNOWN_MOST:
            self._known.popitem(last=False)
        return known


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

"""API keys: made and shown once, and kept as a hash of their secret."""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from taskruns_service.storage import tables

PREFIX = "trk"

_key = tables.api_key
KeyScope = Literal["read", "write"]


class Key(NamedTuple):
    """What a key in force may do, and the hash of its secret."""

    scope: str
    secret_hash: str


def create_key(connection: Connection, name: str, scope: KeyScope) -> str:
    """Makes a key and gives its token, `trk_<id>_<secret>`, which cannot be had again."""
    identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = {
        "id": identifier,
        "name": name,
        "scope": scope,
        "secret_hash": hash_secret(secret),
        "created": datetime.now(UTC),
    }
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


def find_key(connection: Connection, identifier: str) -> Key | None:
    """The key in force with this id."""
    row = connection.execute(_find, {"id": identifier}).one_or_none()
    return None if row is None else Key(*row)


def hash_secret(secret: str) -> str:
    """The hash by which a secret is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()

"""API keys: made and shown once, kept as a hash, listed, revoked, and known to a process for a few seconds."""

import asyncio
import hashlib
from datetime import UTC, datetime

import pytest

from taskruns_service.api.key_ring import KeyRing
from taskruns_service.commands import keys
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from tests.store.factories import rows_of, statements_seen


def parts(token: str) -> tuple[str, str, str]:
    prefix, identifier, secret = token.split("_", 2)
    return prefix, identifier, secret


async def test_key_is_kept_without_its_secret(database: Database) -> None:
    before = datetime.now(UTC)
    token = await database.transact(keys.create_key, "ci größe", "write")
    prefix, identifier, secret = parts(token)
    (row,) = await database.read(rows_of, tables.api_key)
    assert prefix == "trk"
    assert before <= row.created <= datetime.now(UTC)
    assert row._asdict() == {
        "id": identifier,
        "name": "ci größe",
        "scope": "write",
        "secret_hash": hashlib.sha256(secret.encode()).hexdigest(),
        "created": row.created,
        "revoked": None,
    }


async def test_keys_differ(database: Database) -> None:
    tokens = [await database.transact(keys.create_key, "ci", "read") for _ in range(20)]
    assert len({parts(token)[1] for token in tokens}) == len({parts(token)[2] for token in tokens}) == 20
    assert all(len(parts(token)[2]) >= 40 for token in tokens)


async def test_keys_are_listed_oldest_first_without_their_hashes(database: Database) -> None:
    tokens = [await database.transact(keys.create_key, name, "read") for name in ("b", "a", "c")]
    listed = await database.read(keys.list_keys)
    assert [(row.id, row.name) for row in listed] == [
        (parts(token)[1], name) for token, name in zip(tokens, "bac", strict=True)
    ]
    assert listed[0]._fields == ("id", "name", "scope", "created", "revoked")


async def test_key_is_revoked_once(database: Database) -> None:
    _, identifier, _ = parts(await database.transact(keys.create_key, "ci", "read"))
    await database.transact(keys.create_key, "other", "read")
    assert await database.read(keys.count_keys) == 2
    before = datetime.now(UTC)
    assert await database.transact(keys.revoke_key, identifier)
    assert not await database.transact(keys.revoke_key, identifier)
    assert await database.read(keys.count_keys) == 1
    revoked = [row.revoked for row in await database.read(keys.list_keys)]
    assert revoked[1] is None
    assert before <= revoked[0] <= datetime.now(UTC)


async def test_key_that_is_not_there_is_not_revoked(database: Database) -> None:
    assert not await database.transact(keys.revoke_key, "0123456789ab")


@pytest.mark.parametrize("scope", ["read", "write"])
async def test_key_in_force_has_its_scope(database: Database, scope: keys.KeyScope) -> None:
    token = await database.transact(keys.create_key, "ci", scope)
    assert await KeyRing(database).scope_of(token) == scope


async def test_token_that_is_not_exactly_a_key_is_refused(database: Database) -> None:
    token = await database.transact(keys.create_key, "ci", "write")
    _, identifier, secret = parts(token)
    other = parts(await database.transact(keys.create_key, "other", "write"))
    ring = KeyRing(database)
    wrong = [
        "",
        "trk",
        "trk_",
        f"trk_{identifier}",
        f"trk_{identifier}_",
        f"TRK_{identifier}_{secret}",
        f"trk_{identifier.upper()}_{secret}" if identifier.upper() != identifier else "trk_A_b",
        f"trk_{identifier}_{secret[:-1]}",
        f"trk_{identifier}_{secret}a",
        f"trk_{identifier}_{other[2]}",
        f"trk_{other[1]}_{secret}",
        f"trk_{'a' * 33}_{secret}",
        f"trk_ä_{secret}",
        f"trk_'; --_{secret}",
        f"trk_\0_{secret}",
        f" {token}",
        f"{identifier}_{secret}",
    ]
    assert [await ring.scope_of(one) for one in wrong] == [None] * len(wrong)
    assert await ring.scope_of(token) == "write"


async def test_hash_is_no_key(database: Database) -> None:
    await database.transact(keys.create_key, "ci", "write")
    (row,) = await database.read(rows_of, tables.api_key)
    assert await KeyRing(database).scope_of(f"trk_{row.id}_{row.secret_hash}") is None


async def test_key_is_not_asked_for_again_for_a_while(database: Database) -> None:
    token = await database.transact(keys.create_key, "ci", "write")
    ring = KeyRing(database)
    with statements_seen() as seen:
        assert [await ring.scope_of(token) for _ in range(50)] == ["write"] * 50
        assert await ring.scope_of(token[:-1] + "~") is None
    assert len([statement for statement in seen if "api_key" in statement]) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])  # one wait of three seconds is enough
async def test_revoked_key_stops_within_five_seconds(database: Database) -> None:
    token = await database.transact(keys.create_key, "ci", "write")
    ring, new_ring = KeyRing(database), KeyRing(database)
    assert await ring.scope_of(token) == "write"
    await database.transact(keys.revoke_key, parts(token)[1])
    assert await new_ring.scope_of(token) is None
    async with asyncio.timeout(5):
        while await ring.scope_of(token) is not None:  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0.1)

"""GraphQL over HTTP: how large a request may be, and who may ask and change."""

from typing import Any

import httpx
import pytest

from taskruns_service.app import create_app
from tests.service import call_command, running, settings_of


async def test_body_may_be_only_so_large(client: httpx.AsyncClient) -> None:
    response = await client.post("/graphql", json={"query": "{ hello }", "variables": {"x": "y" * 8 * 1024 * 1024}})
    assert response.status_code == 413
    assert response.json()["limit"] == 8 * 1024 * 1024


@pytest.fixture
def keys(sqlite_url: str) -> dict[str, str]:
    """An API key of every scope, by its scope."""
    keys = {}
    for scope in ("read", "write"):
        made = call_command("keys", "create", "--scope", scope, "--name", scope, TASKRUNS_DATABASE_URL=sqlite_url)
        keys[scope] = made.stdout.strip()
    return keys


async def test_keys_open_what_their_scope_says(sqlite_url: str, keys: dict[str, str]) -> None:
    query, mutation = "{ hello }", 'mutation { create_tenant(input: {name: "a", slug: "a"}) { id } }'
    async with running(create_app(settings_of(sqlite_url, require_keys=True))) as client:

        async def refusal(document: str, key: str | None) -> Any:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            response = await client.post("/graphql", json={"query": document}, headers=headers)
            assert response.status_code == 200
            errors = response.json().get("errors")
            return errors and errors[0]["extensions"]["code"]

        assert await refusal(query, None) == "UNAUTHENTICATED"
        assert await refusal("{", "trk_no_key") == "UNAUTHENTICATED"
        assert await refusal(query, keys["read"]) is None
        assert await refusal(mutation, keys["read"]) == "FORBIDDEN"
        assert await refusal(mutation, keys["write"]) is None

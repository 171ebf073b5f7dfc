"""A client that asks in GraphQL, and a flow that it may register."""

from typing import Any

import httpx

FLOW = {
    "name": "etl",
    "__version__": "1.4.1",
    "parameters": [{"name": "n", "required": False}],
    "environment": {"labels": ["a"]},
    "run_config": {"labels": ["b"]},
    "storage": {"type": "Local"},
    "reference_tasks": [{"slug": "b-1"}],
    "tasks": [
        {"slug": "a-1", "name": "a", "tags": ["t"], "trigger": {"fn": "x"}, "max_retries": 1, "retry_delay": 1},
        {"slug": "b-1", "type": "T", "description": "d", "cache_key": "k", "auto_generated": False},
    ],
    "edges": [{"upstream_task": {"slug": "a-1"}, "downstream_task": {"slug": "b-1"}, "key": "x", "mapped": True}],
}


class GraphQL:
    """A client that asks in GraphQL, and knows the ids of what there is."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.ids: dict[str, str] = {}

    async def post(self, query: str, **variables: Any) -> httpx.Response:
        """Sends a query, whatever is answered."""
        return await self.client.post("/graphql", json={"query": query, "variables": variables})

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        response = await self.post(query, **variables)
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def error(self, query: str, **variables: Any) -> tuple[str, str]:
        """The code and the message of the only error in an answer."""
        (error,) = (await self.post(query, **variables)).json()["errors"]
        return error["extensions"]["code"], error["message"]

    async def change(self, name: str, selected: str, /, **members: Any) -> Any:
        """The data of a mutation."""
        query = f"mutation($input: {name}_input!) {{ {name}(input: $input) {selected} }}"
        return (await self.data(query, input=members))[name]

"""Artifacts, which engines of Prefect 1 send over GraphQL."""

from collections.abc import Sequence

import httpx

_MUTATION = "mutation($input: create_task_run_artifact_input!) { create_task_run_artifact(input: $input) { id } }"


def add_artifacts(url: str, task_run_id: str, data: Sequence[dict[str, str]]) -> None:
    """Adds artifacts to a task run of the service at `url`, each of the kind that its member names."""
    for item in data:
        (kind,) = item
        artifact = {"task_run_id": task_run_id, "kind": kind, "data": item}
        response = httpx.post(f"{url}/graphql", json={"query": _MUTATION, "variables": {"input": artifact}})
        assert response.json().get("errors") is None, response.text

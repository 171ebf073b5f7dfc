"""What the tests of results share: a home of their own, all storages, and a pickle that shows when it was loaded."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from taskruns import results
from tests.client.results import emulators
from tests.client.results.canary import Canary

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the user's own results, and nothing else that is trusted."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TASKRUNS_HOME", str(folder))
    return folder


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    """A value that leaves a mark when it is unpickled."""
    return Canary(str(tmp_path / "executed"))


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """S3, for whoever asks with what the environment says; yields that."""
    with emulators.s3() as environment, pytest.MonkeyPatch.context() as patch:
        _set(patch, environment)
        yield environment


@pytest.fixture(scope="session")
def gcs() -> Iterator[dict[str, str]]:
    """Google Cloud Storage, for whoever asks with what the environment says; yields that."""
    with emulators.gcs() as environment, pytest.MonkeyPatch.context() as patch:
        _set(patch, environment)
        yield environment


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Azure Blob Storage, for whoever asks with what the environment says; yields that."""
    folder = tmp_path_factory.mktemp("azurite")
    with emulators.azure(folder) as environment, pytest.MonkeyPatch.context() as patch:
        _set(patch, environment)
        yield environment


@pytest.fixture(scope="session", params=["local", "s3", "gcs", pytest.param("azure", marks=emulators.AZURE)])
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes storages of one kind, with a location and a serializer: each test runs with every kind."""
    if request.param == "local":
        return partial(results.LocalResult, tmp_path_factory.mktemp("results"))
    request.getfixturevalue(request.param)
    kinds = {"s3": results.S3Result, "gcs": results.GCSResult, "azure": results.AzureResult}
    return partial(kinds[request.param], emulators.BUCKET)


def _set(patch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        patch.setenv(name, value)

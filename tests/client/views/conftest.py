"""What the tests of views share: clients, and a home in which results are trusted."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from taskruns import AsyncClient
from tests.client.views.recorded import Counting
from tests.service import Served


@pytest.fixture
def counting(service: Served) -> Iterator[Counting]:
    counting = Counting(service.url)
    with counting.http:
        yield counting


@pytest.fixture
async def async_client(service: Served) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.url) as client:
        yield client


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, in which results are trusted."""
    monkeypatch.setenv("TASKRUNS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"

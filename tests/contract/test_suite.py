"""How the tests are run: what is grouped for the workers, and what is marked as slow."""

import pytest

from tests.conftest import SLOW, TESTS


@pytest.mark.xdist_group("groups")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    """The group is the end of the id; a release of pytest that loses it fills every large database once per worker."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@groups")


def test_every_slow_module_exists() -> None:
    assert [name for name in SLOW if not (TESTS / name).exists()] == []

"""Identifiers: their version, their order, and the family that they share."""

import time
from itertools import pairwise
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskruns_service.domain import ids
from taskruns_service.domain.ids import new_id, partition_of

COUNTER_VALUES = 2**20


def test_id_is_a_uuid_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_ids_of_a_family_are_in_the_order_in_which_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter is nearly full and its millisecond lies ahead of the clock: it carries into the next millisecond."""
    millisecond = time.time_ns() // 1_000_000 + 3_600_000
    monkeypatch.setattr(ids, "_last", (millisecond + 1) * COUNTER_VALUES - 3)
    partition = new_id()
    numbers = [new_id(partition).int for _ in range(4)]
    assert [number >> 80 for number in numbers] == [millisecond, *[millisecond + 1] * 3]
    assert [number >> 42 & (COUNTER_VALUES - 1) for number in numbers] == [COUNTER_VALUES - 1, 0, 1, 2]
    assert all(earlier < later for earlier, later in pairwise(numbers))


def test_ids_stay_in_order_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = time.time_ns() // 1_000_000 + 3_600_000
    monkeypatch.setattr(ids, "_last", ahead * COUNTER_VALUES)
    assert new_id().int >> 80 == new_id().int >> 80 == ahead


def test_later_milliseconds_have_greater_ids() -> None:
    earlier = new_id()
    time.sleep(0.002)
    assert earlier < new_id()


@given(st.uuids())
def test_id_is_of_the_family_that_it_was_made_for(flow_run_id: UUID) -> None:
    assert partition_of(new_id(flow_run_id)) == partition_of(flow_run_id)


@given(st.uuids())
def test_every_uuid_has_a_family(identifier: UUID) -> None:
    assert 0 <= partition_of(identifier) < 4096


def test_family_does_not_change_the_version() -> None:
    made = new_id(UUID(int=2**128 - 1))
    assert (made.version, made.variant) == (7, RFC_4122)

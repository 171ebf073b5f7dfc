"""Commands: changes that the writer makes, many of them in one transaction."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct
from sqlalchemy import Connection

R = TypeVar("R")

Outcomes = list[Any]
"""An outcome for each command: what the command gives, or a ServiceError."""
Execute = Callable[[Connection, Sequence[Any], datetime], Outcomes]
"""Executes commands of one kind, in their order."""


class Stage(IntEnum):
    """When commands of a transaction are executed: flow runs are created first and deleted last."""

    create = 0
    schedule = 1
    change = 2
    delete = 3


class Command(Struct, Generic[R], frozen=True):
    """A change to runs, the outcome of which is an R."""

    stage: ClassVar[Stage]

    @property
    def weight(self) -> int:
        """How much there is to write, in states: at least 1."""
        return 1

    @staticmethod
    def execute(connection: Connection, commands: Sequence[Any], now: datetime) -> Outcomes:
        """Executes commands of one kind, in their order; returns an R or a ServiceError for each."""
        raise NotImplementedError


def execute_commands(connection: Connection, commands: Sequence[Command[Any]]) -> Outcomes:
    """Executes commands in one transaction, stage by stage; returns an outcome for each, or the ServiceError it met."""
    now = datetime.now(UTC)
    batches: dict[tuple[Stage, Execute], list[int]] = {}
    for index, command in enumerate(commands):
        batches.setdefault((command.stage, command.execute), []).append(index)
    outcomes: Outcomes = [None] * len(commands)
    for (_, execute), indexes in sorted(batches.items(), key=lambda batch: batch[0][0]):
        batch = [commands[index] for index in indexes]
        for index, outcome in zip(indexes, execute(connection, batch, now), strict=True):
            outcomes[index] = outcome
    return outcomes

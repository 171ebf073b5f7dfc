"""The context of a request: what the fields of one query or mutation are answered with, and what they may cost."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from graphql import GraphQLResolveInfo
from msgspec import Raw

from taskruns_service.domain.errors import DatabaseUnavailable, InvalidRequest, NothingFound, QueryTimeout
from taskruns_service.prefect1.graph.conditions import Survey
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.selections import RowQuery, Selection
from taskruns_service.prefect1.graph.statements import AnswerTooLarge, Bounds, Question, get_entity
from taskruns_service.prefect1.graphql.background import Background
from taskruns_service.storage.database import Database
from taskruns_service.storage.lanes import QueryKind
from taskruns_service.storage.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

Arguments = Mapping[str, Any]
"""The arguments of a field by name, as the schema has read them."""

CONDITIONS_MOST = 800
VALUES_MOST = 50_000
ORDER_TERMS_MOST = 50
STATEMENTS_MOST = 100
"""What one request, or all those of a batch, may ask for and change."""


class Budget:
    """What is left of what one request may cost: statements, conditions, values, terms of orders, bytes, time."""

    def __init__(self, *, answer_bytes: int, seconds: float) -> None:
        self.bytes = answer_bytes
        self._until = time.monotonic() + seconds
        self._conditions = CONDITIONS_MOST
        self._values = VALUES_MOST
        self._order_terms = ORDER_TERMS_MOST
        self._statements = STATEMENTS_MOST
        self._stopped: str | None = None

    def spend_condition(self, survey: Survey) -> None:
        """Takes off what a condition has; raises InvalidRequest when the request has too much."""
        self._conditions -= survey.comparisons
        self._values -= survey.values
        if self._conditions < 0:
            raise InvalidRequest(
                f"The conditions of a request can have at most {CONDITIONS_MOST} comparisons and braces in total. For "
                f"many values of one field, use `_in`."
            )
        if self._values < 0:
            raise InvalidRequest(
                f"The lists in the conditions of a request can have at most {VALUES_MOST} values in total."
            )

    def spend_order(self, terms: int) -> None:
        """Takes off the terms of an order; raises InvalidRequest when the request has too many."""
        self._order_terms -= terms
        if self._order_terms < 0:
            raise InvalidRequest(f"The orders of a request can have at most {ORDER_TERMS_MOST} terms in total.")

    def spend_statement(self) -> None:
        """Takes off one; raises InvalidRequest when the request has too many.

        A document alone has been measured: these are of a batch. Raises DatabaseUnavailable after `stop`.
        """
        if self._stopped is not None:
            raise DatabaseUnavailable(self._stopped)
        self._statements -= 1
        if self._statements < 0:
            raise InvalidRequest(
                f"The requests of a batch can run at most {STATEMENTS_MOST} statements in total. Send several batches."
            )

    def stop(self, reason: str) -> None:
        """Refuses all statements from now on, for a reason that is a sentence."""
        self._stopped = reason

    def check(self) -> None:
        """Raises AnswerTooLarge or QueryTimeout when the statements before this one have taken all bytes or time."""
        if self.bytes <= 0:
            raise AnswerTooLarge
        if time.monotonic() > self._until:
            raise QueryTimeout("The statements of the request exceeded the time limit. Request less data.")


class Resources(NamedTuple):
    """What all requests share, and what each may take of it."""

    background: Background
    answer_bytes: int
    seconds: float

    def budget(self) -> Budget:
        """What a new request may cost."""
        return Budget(answer_bytes=self.answer_bytes, seconds=self.seconds)


class Context(NamedTuple):
    """The ways to ask and to change, the variables as they were sent, and what headers say of the client."""

    database: Database
    writer: Writer
    background: Background
    budget: Budget
    variables: Arguments
    is_heavy: bool = False
    """Whether the request is so large that reading it would keep the event loop busy."""
    agent_id: UUID | None = None
    core_version: str | None = None

    async def ask(self, prepare: Callable[[Bounds], tuple[QueryKind, Question]]) -> bytes:
        """Prepares a question and asks it; raises as those do, AnswerTooLarge and QueryTimeout."""
        self.budget.check()
        kind, question = await self.prepare(prepare, Bounds(self.database.target, self.budget.bytes))
        try:
            body = await self.database.answer(kind, question)
        except NothingFound as nothing:
            body = nothing.answer
        except AnswerTooLarge:
            self.budget.bytes = 0
            raise
        self.budget.bytes -= len(body)
        return body

    async def ask_for(self, name: str, row_query: RowQuery, selection: Selection) -> Raw:
        """The first of an entity that is chosen, or `null`."""
        return Raw(
            await self.ask(lambda bounds: (QueryKind.look_up, get_entity(bounds, ENTITIES[name], row_query, selection)))
        )

    async def prepare(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs what reads and checks a part of the request: in the background if that may take long."""
        if self.is_heavy:
            return await self.background.run(function, *arguments, **named)
        return function(*arguments, **named)


Info = GraphQLResolveInfo[Context]

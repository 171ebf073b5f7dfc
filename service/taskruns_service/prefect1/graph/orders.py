"""Orders of rows: by fields, by fields of related rows, and by counts and statistics of them."""

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import func, select

from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Alias, Entity
from taskruns_service.prefect1.graph.selections import Order
from taskruns_service.prefect1.graph.statistics import STATISTICS
from taskruns_service.storage.dialects import Column, comparable


def order_columns(entity: Entity, alias: Alias, order_by: Iterable[Order]) -> Iterator[Column]:
    """The terms of an ORDER BY, each with its direction and the place of nulls."""
    for value, direction in _terms(entity, alias, order_by):
        yield _DIRECTIONS[direction](value)


def _terms(entity: Entity, alias: Alias, order_by: Iterable[Order]) -> Iterator[tuple[Column, str]]:
    """What is sorted by, and in which direction."""
    for terms in order_by:
        for name, order in terms.items():
            if isinstance(order, str):
                yield comparable(entity.column(alias, name)), order
            elif order:
                relation = entity.relations[name.removesuffix("_aggregate")]
                target = ENTITIES[relation.target]
                other = target.table.alias()
                inner = _aggregate_terms(target, other, order) if relation.many else _terms(target, other, [order])
                for value, direction in inner:
                    query = select(value).select_from(other).where(relation.on(alias, other)).correlate(alias)
                    yield query.scalar_subquery(), direction


def _aggregate_terms(target: Entity, alias: Alias, terms: Order) -> Iterator[tuple[Column, str]]:
    for name, order in terms.items():
        if isinstance(order, str):
            yield func.count(), order
        else:
            for field, direction in (order or {}).items():
                if direction is not None:
                    yield STATISTICS[name](target.column(alias, field)), direction


_DIRECTIONS: dict[str, Callable[[Column], Column]] = {
    # By default nulls go where PostgreSQL puts them.
    "asc": lambda column: column.asc().nulls_last(),
    "asc_nulls_first": lambda column: column.asc().nulls_first(),
    "asc_nulls_last": lambda column: column.asc().nulls_last(),
    "desc": lambda column: column.desc().nulls_first(),
    "desc_nulls_first": lambda column: column.desc().nulls_first(),
    "desc_nulls_last": lambda column: column.desc().nulls_last(),
}

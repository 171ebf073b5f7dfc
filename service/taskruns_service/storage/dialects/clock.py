"""The clock of the database, which all processes and hosts of the service share."""

from datetime import datetime

from sqlalchemy import literal_column
from sqlalchemy.sql.functions import FunctionElement

from taskruns_service.storage.dialects.expressions import compiled
from taskruns_service.storage.dialects.types import Timestamp


@compiled(
    lambda seconds: f"(strftime('%Y-%m-%dT%H:%M:%f', 'now', '-' || {seconds} || ' seconds') || '000Z')",
    lambda seconds: f"(statement_timestamp() - {seconds} * interval '1 second')",
)
class seconds_ago(FunctionElement[datetime]):  # noqa: N801
    """The moment so many seconds before the statement began."""

    type = Timestamp
    inherit_cache = True

    def __init__(self, seconds: float) -> None:
        super().__init__(literal_column(f"{seconds:.3f}"))


def now() -> seconds_ago:
    """The moment at which the statement began."""
    return seconds_ago(0)

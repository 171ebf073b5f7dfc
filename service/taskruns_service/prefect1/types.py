"""Types: JSON and rows as Python has them, where their members are of any type."""

from typing import Any

from sqlalchemy import Row as ResultRow

JsonObject = dict[str, Any]
"""A JSON object as it was decoded."""
Row = ResultRow[*tuple[Any, ...]]
"""A row that a database returned: its columns are attributes."""
Columns = dict[str, Any]
"""A row to write: its values by column."""

"""The items of a page as a pandas DataFrame."""

from collections.abc import Sequence
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, inspect

_DTYPES: dict[type[inspect.Type], str] = {
    inspect.BoolType: "boolean",
    inspect.DateTimeType: "datetime64[us, UTC]",  # in microseconds, as nanoseconds end in the year 2262
    inspect.FloatType: "float64",
    inspect.IntType: "Int64",
}
_TEXTS = (inspect.EnumType, inspect.StrType, inspect.UUIDType)


def to_dataframe(kind: type, items: Sequence[object]) -> Any:
    """Returns a DataFrame with a row for each item and a column for each member that the items have.

    Times are UTC, whole numbers may be missing, ids and states are text; lists and dicts stay as they are.

    Args:
        kind: The type of the items, a Struct.
        items: The items.

    Raises:
        MissingExtra: If pandas is not installed.
    """
    from taskruns.results.extras import extra

    pandas = extra("pandas", "pandas", "A DataFrame")
    types = _member_types(kind)
    columns = {name: [getattr(item, name) for item in items] for name in members_of(kind, items)}
    return pandas.DataFrame({name: _column(pandas, types[name], values) for name, values in columns.items()})


def members_of(kind: type, items: Sequence[object]) -> list[str]:
    """Returns the names of the members that items have: all of their type, or those that were chosen."""
    names = kind.__struct_fields__ if issubclass(kind, Struct) else ()
    return [name for name in names if not items or any(getattr(item, name) is not UNSET for item in items)]


def _member_types(kind: type) -> dict[str, inspect.Type]:
    """The types of the members of a Struct, without None and what pandas does not know of."""
    info = inspect.type_info(kind)
    return {field.name: _bare(field.type) for field in info.fields} if isinstance(info, inspect.StructType) else {}


def _bare(kind: inspect.Type) -> inspect.Type:
    if isinstance(kind, inspect.UnionType):
        kinds = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return kinds[0] if len(kinds) == 1 else inspect.AnyType()
    return kind


def _column(pandas: Any, kind: inspect.Type, values: Sequence[object]) -> Any:
    present = [None if value is UNSET else value for value in values]
    if isinstance(kind, _TEXTS):
        return pandas.Series([str(value) if isinstance(value, Enum | UUID) else value for value in present])
    return pandas.Series(present, dtype=_DTYPES.get(type(kind), "object"))

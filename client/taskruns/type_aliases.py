"""Types of what passes through: whoever takes it at the other end knows more about it."""

from collections.abc import Coroutine
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Arguments: TypeAlias = dict[str, Any]
"""Arguments of a call by name; the function that is called checks them."""
Positional: TypeAlias = tuple[Any, ...]
"""Arguments of a call by position."""
JsonObject: TypeAlias = dict[str, Any]
"""A JSON object, such as a result reference, the parameters of a flow run, or the details of a state."""
Awaited: TypeAlias = Coroutine[Any, Any, T]
"""A coroutine that returns a T, to be awaited or made a task of."""

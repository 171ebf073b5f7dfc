"""Methods of the clients: each builds a call of the generated half, and has its name, signature and documentation."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Any, ParamSpec, Protocol, TypeVar

from msgspec.structs import replace

from taskruns._generated.types import Call
from taskruns.errors import InvalidArgument
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.pages import AsyncListing, AsyncPage
from taskruns.responses import RawResponse
from taskruns.type_aliases import Awaited

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Method(Protocol[P, T_co]):
    """An operation of the service, as `Client` has it."""

    __name__: str
    """The operation's id in the service's document."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """Asks the service, and returns its typed answer."""
        ...

    def with_raw_response(self, *args: P.args, **kwargs: P.kwargs) -> RawResponse[T_co]:
        """Asks the service, and returns its answer with its status and headers."""
        ...


class AsyncMethod(Protocol[P, T_co]):
    """An operation of the service, as `AsyncClient` has it."""

    __name__: str
    """The operation's id in the service's document."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaited[T_co]:
        """Asks the service, and returns its typed answer."""
        ...

    def with_raw_response(self, *args: P.args, **kwargs: P.kwargs) -> Awaited[RawResponse[T_co]]:
        """Asks the service, and returns its answer with its status and headers."""
        ...


class AsyncListingMethod(Protocol[P, T]):
    """An operation of the service that lists, as `AsyncClient` has it."""

    __name__: str
    """The operation's id in the service's document."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncListing[T]:
        """Returns the list, which is asked for when it is awaited or iterated over."""
        ...

    def with_raw_response(self, *args: P.args, **kwargs: P.kwargs) -> Awaited[RawResponse[AsyncPage[T]]]:
        """Asks the service for the first page, and returns its answer with its status and headers."""
        ...


def copy_signature(
    build: Callable[..., object], method: Callable[..., object], with_raw_response: Callable[..., object]
) -> Any:
    """Returns a method with the name, the signature and the documentation of its builder, and its raw form."""
    for function in (method, with_raw_response):
        function.__name__ = function.__qualname__ = _operation(build)
        function.__doc__ = build.__doc__
        function.__signature__ = _signature(build)  # type: ignore[attr-defined]
    method.with_raw_response = with_raw_response  # type: ignore[attr-defined]
    return method


def built(build: Callable[P, Call[T]], *args: P.args, **kwargs: P.kwargs) -> Call[T]:
    """Builds a call.

    Raises:
        TypeError: If a parameter is unknown, with the nearest one, or if one is missing.
        InvalidArgument: If an argument cannot be sent.
    """
    parameters = _signature(build).parameters
    for name in kwargs:
        if name not in parameters:
            nearest = get_close_matches(name, parameters, n=1)
            advice = (
                f" Did you mean {nearest[0]}?"
                if nearest
                else f" Its parameters are: {', '.join(parameters) or 'none'}."
            )
            raise TypeError(f"{_operation(build)} has no parameter {name}.{advice}")
    try:
        return build(*args, **kwargs)
    except (TypeError, ValueError) as cause:
        message = str(cause)
        # What Python says of arguments that are missing or too many has the builder's name, which nobody has written.
        if message.startswith(f"{build.__name__}() "):
            raise TypeError(message.replace(build.__name__, _operation(build), 1)) from None
        raise InvalidArgument(message) from cause


def page_at(call: Call[T], cursor: str) -> Call[T]:
    """The call for another page of the same list."""
    params = [(name, value) for name, value in call.params if name != "cursor"]
    if not any(name == "limit" for name, _ in params):
        params.append(("limit", str(MAX_PAGE_SIZE)))
    return replace(call, params=(*params, ("cursor", cursor)))


def _operation(build: Callable[..., object]) -> str:
    return build.__module__.rpartition(".")[2]


@cache
def _signature(build: Callable[..., object]) -> inspect.Signature:
    return inspect.signature(build).replace(return_annotation=inspect.Signature.empty)

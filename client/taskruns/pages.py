"""Pages of a list, that iterate over every item of every page."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar, cast, get_args, get_type_hints

from msgspec import Struct, to_builtins

from taskruns import dataframes, notebooks
from taskruns._generated.types import to_json
from taskruns.errors import InvalidAnswer
from taskruns.type_aliases import JsonObject

T = TypeVar("T")


class PageAnswer(Protocol[T]):
    """What the service answers to a list."""

    @property
    @abstractmethod
    def items(self) -> list[T]:
        """The items."""

    @property
    @abstractmethod
    def next_cursor(self) -> str | None:
        """The cursor of the next page; None on the last page."""


class Turns(Struct, frozen=True):
    """How far a list was turned over, to notice a service that leads in a circle (Brent's algorithm).

    It remembers a single cursor, and a later one as soon as twice as many pages were turned: a circle of any length is
    noticed within three times its length, and a page that leads to itself at once.
    """

    cursor: str | None = None
    steps: int = 0
    limit: int = 1

    def after(self, cursor: str) -> Self:
        """The same after the page at a cursor was turned to.

        Raises:
            InvalidAnswer: If it was turned to before.
        """
        if cursor == self.cursor:
            raise InvalidAnswer(
                f"The pages of the list form a cycle: the service returned the cursor {cursor!r} again."
            )
        if self.steps + 1 == self.limit:
            return type(self)(cursor, 0, self.limit * 2)
        return type(self)(self.cursor, self.steps + 1, self.limit)


class _Page(Generic[T]):
    _turns: Turns = Turns()
    _answer_type: type
    items: list[T]
    """The items of this page."""
    next_cursor: str | None
    """The cursor of the next page, to go on from later with `cursor=`; None on the last one."""

    def to_dict(self) -> JsonObject:
        """Returns this page as a dict of its `items` and `next_cursor`, in which ids and times are text."""
        return cast("JsonObject", to_builtins(self._object()))

    def to_json(self, indent: int | None = None) -> str:
        """Returns this page as JSON, in one line without `indent`, the number of spaces for each level."""
        return to_json(self._object(), indent)

    def to_dataframe(self) -> Any:
        """Returns the items of this page as a pandas DataFrame, with a column for each member.

        Raises:
            MissingExtra: If pandas is not installed, which the extra `pandas` brings.
        """
        return dataframes.to_dataframe(self._item_type(), self.items)

    def _repr_html_(self) -> str:
        """What a notebook shows: the first items of this page."""
        names = dataframes.members_of(self._item_type(), self.items)
        rows = [[getattr(item, name) for name in names] for item in self.items]
        return notebooks.table(
            f"{len(rows)} items{'' if self.next_cursor is None else ', and further pages'}", names, rows
        )

    def _item_type(self) -> type:
        (item_type,) = get_args(get_type_hints(self._answer_type)["items"])
        return cast("type", item_type)

    def _object(self) -> dict[str, object]:
        return {"items": self.items, "next_cursor": self.next_cursor}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.items)} items, next_cursor={self.next_cursor!r}>"


class Page(_Page[T]):
    """One page of a list. Iterating over it yields the items of this page and all further pages."""

    def __init__(self, answer: PageAnswer[T], turn: "Callable[[str], Page[T]]") -> None:
        """`turn` fetches the page at a cursor."""
        self._answer_type = type(answer)
        self.items = answer.items
        self.next_cursor = answer.next_cursor
        self._turn = turn

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def pages(self) -> "Iterator[Page[T]]":
        """Yields this page and all further ones, and fetches each on demand."""
        page: Page[T] | None = self
        while page is not None:
            yield page
            page = page.next_page()

    def next_page(self) -> "Page[T] | None":
        """Fetches the next page; returns None after the last page. Raises InvalidAnswer if the pages form a cycle."""
        if self.next_cursor is None:
            return None
        turns = self._turns.after(self.next_cursor)
        page = self._turn(self.next_cursor)
        page._turns = turns
        return page


class AsyncPage(_Page[T]):
    """One page of a list. Iterating over it yields the items of this page and all further pages."""

    def __init__(self, answer: PageAnswer[T], turn: "Callable[[str], Awaitable[AsyncPage[T]]]") -> None:
        """`turn` fetches the page at a cursor."""
        self._answer_type = type(answer)
        self.items = answer.items
        self.next_cursor = answer.next_cursor
        self._turn = turn

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> "AsyncIterator[AsyncPage[T]]":
        """Yields this page and all further ones, and fetches each on demand."""
        page: AsyncPage[T] | None = self
        while page is not None:
            yield page
            page = await page.next_page()

    async def next_page(self) -> "AsyncPage[T] | None":
        """Fetches the next page; returns None after the last page. Raises InvalidAnswer if the pages form a cycle."""
        if self.next_cursor is None:
            return None
        turns = self._turns.after(self.next_cursor)
        page = await self._turn(self.next_cursor)
        page._turns = turns
        return page


class AsyncListing(Generic[T]):
    """A list that is not fetched yet: `await` it for its first page, or iterate over all its items."""

    def __init__(self, first: Callable[[], Awaitable[AsyncPage[T]]]) -> None:
        """`first` fetches the first page."""
        self._first = first

    def __await__(self) -> Generator[None, None, AsyncPage[T]]:
        return self._first().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._first():
            yield item

    async def pages(self) -> AsyncIterator[AsyncPage[T]]:
        """Yields all pages, and fetches each on demand."""
        async for page in (await self._first()).pages():
            yield page

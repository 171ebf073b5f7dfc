"""Pages of a list: what is fetched when, with an answer that a test makes up."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from taskruns.pages import AsyncListing, AsyncPage, Page


class Answer(Struct, frozen=True):
    """What the service answers to a list of numbers."""

    items: list[int]
    next_cursor: str | None


class Book:
    """The pages of a list, and which of them were asked for."""

    def __init__(self, *pages: list[int]) -> None:
        self.answers = [
            Answer(items, str(place) if place < len(pages) else None) for place, items in enumerate(pages, 1)
        ]
        self.asked: list[str] = []

    def open(self) -> Page[int]:
        """The first page."""
        return self.turn("0")

    def turn(self, cursor: str) -> Page[int]:
        """The page at a cursor."""
        self.asked.append(cursor)
        return Page(self.answers[int(cursor)], self.turn)

    def listing(self) -> AsyncListing[int]:
        """The list, not asked for yet."""
        return AsyncListing(lambda: self.turn_async("0"))

    async def turn_async(self, cursor: str) -> AsyncPage[int]:
        """The page at a cursor."""
        self.asked.append(cursor)
        return AsyncPage(self.answers[int(cursor)], self.turn_async)


@pytest.fixture
def book() -> Book:
    """Three pages of numbers."""
    return Book([1, 2], [3, 4], [5])


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=6))
def test_iterating_gives_every_item_once_in_order(pages: list[list[int]]) -> None:
    book = Book(*pages)
    assert list(book.open()) == [item for items in pages for item in items]
    assert book.asked == [str(place) for place in range(len(pages))]


def test_page_is_fetched_when_it_is_needed(book: Book) -> None:
    items = iter(book.open())
    assert (next(items), next(items), book.asked) == (1, 2, ["0"])
    assert (next(items), book.asked) == (3, ["0", "1"])


def test_page_has_its_own_items_and_where_the_next_is(book: Book) -> None:
    first = book.open()
    assert (first.items, first.next_cursor) == ([1, 2], "1")
    second = first.next_page()
    assert second is not None
    assert (second.items, second.next_cursor) == ([3, 4], "2")
    last = second.next_page()
    assert last is not None
    assert (last.items, last.next_cursor, last.next_page()) == ([5], None, None)


def test_page_may_be_iterated_over_again(book: Book) -> None:
    first = book.open()
    assert list(first) == list(first) == [1, 2, 3, 4, 5]
    assert [page.items for page in first.pages()] == [[1, 2], [3, 4], [5]]


def test_iterating_goes_on_from_the_page_that_one_has(book: Book) -> None:
    second = book.open().next_page()
    assert second is not None
    assert list(second) == [3, 4, 5]


def test_page_shows_how_much_it_has(book: Book) -> None:
    assert repr(book.open()) == "<Page of 2 items, next_cursor='1'>"


def test_page_is_no_iterator_and_iterating_makes_one(book: Book) -> None:
    page = book.open()
    assert not isinstance(page, Iterator)
    assert isinstance(iter(page), Iterator)
    assert isinstance(aiter(book.listing()), AsyncIterator)


def test_listing_asks_nothing_by_itself(book: Book) -> None:
    _ = book.listing()
    assert book.asked == []


async def test_awaiting_a_listing_gives_its_first_page(book: Book) -> None:
    first = await book.listing()
    assert (first.items, first.next_cursor, book.asked) == ([1, 2], "1", ["0"])
    assert repr(first) == "<AsyncPage of 2 items, next_cursor='1'>"
    second = await first.next_page()
    assert second is not None
    assert second.items == [3, 4]
    last = await second.next_page()
    assert last is not None
    assert await last.next_page() is None


async def test_iterating_over_a_listing_gives_every_item(book: Book) -> None:
    assert [item async for item in book.listing()] == [1, 2, 3, 4, 5]
    assert book.asked == ["0", "1", "2"]


async def test_iterating_over_a_page_gives_every_item_from_there_on(book: Book) -> None:
    first = await book.listing()
    assert [item async for item in first] == [1, 2, 3, 4, 5]
    assert [page.items async for page in first.pages()] == [[1, 2], [3, 4], [5]]
    assert [page.items async for page in book.listing().pages()] == [[1, 2], [3, 4], [5]]


async def test_asynchronous_page_is_fetched_when_it_is_needed(book: Book) -> None:
    items = aiter(book.listing())
    assert [await anext(items), await anext(items), book.asked] == [1, 2, ["0"]]
    assert (await anext(items), book.asked) == (3, ["0", "1"])

"""The parser of server-sent events, against the examples and the rules of the HTML standard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskruns.errors import AnswerTooLarge, InvalidAnswer
from taskruns.live.parser import Message, Parser

# The examples of the HTML standard, 9.2.6.
EXAMPLES = [
    ("data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
    (
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [("message", "first event", "1"), ("message", "second event", ""), ("message", " third event", "")],
    ),
    ("data\n\ndata\ndata\n\ndata:", [("message", "", ""), ("message", "\n", "")]),
    ("data:test\n\ndata: test\n\n", [("message", "test", ""), ("message", "test", "")]),
]
RULES = [
    ("\ufeffdata: a\n\n", [("message", "a", "")]),
    ("event: add\ndata: 73857293\n\n", [("add", "73857293", "")]),
    ("id: 1\ndata: a\n\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "1")]),
    ("id: a\0b\ndata: a\n\n", [("message", "a", "")]),
    ("retry: 10\nunknown: 1\ndata: a\n\n", [("message", "a", "")]),
    ("id: 7\n\n", [("message", "", "7")]),  # a bookmark, which a browser keeps without an event
    ("event: a\n\ndata: b\n\n", [("message", "b", "")]),
    ("data: \u2028\x85\x0b\n\n", [("message", "\u2028\x85\x0b", "")]),
    (": hb\n\n", []),
]
FIELDS = st.sampled_from(["data", "event", "id", "retry", "", "x"])
TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8)
LINES = st.lists(st.one_of(st.just(""), st.builds("{}:{}".format, FIELDS, TEXTS), TEXTS), max_size=12)


def parsed(chunks: list[bytes], max_bytes: int = 1000) -> list[tuple[str, str, str]]:
    parser = Parser(max_bytes)
    messages = [message for chunk in chunks for message in parser.feed(chunk)]
    return [(message.event, message.data, message.last_event_id) for message in messages]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize(("text", "messages"), EXAMPLES + RULES)
def test_examples_of_the_standard(text: str, messages: list[tuple[str, str, str]], line_end: str) -> None:
    encoded = text.replace("\n", line_end).encode()
    assert parsed([encoded]) == messages
    assert parsed([encoded[place : place + 1] for place in range(len(encoded))]) == messages


@given(lines=LINES, line_ends=st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=12, max_size=12), data=st.data())
def test_neither_line_ends_nor_chunks_matter(lines: list[str], line_ends: list[str], data: st.DataObject) -> None:
    # An empty line after one that ends with CR must not begin with LF: the two would be one line end.
    ends = ["\n" if not line else end for line, end in zip(lines, line_ends, strict=False)]
    ends = [
        "\n" if end == "\r" and following == "" else end
        for end, following in zip(ends, [*lines[1:], "x"], strict=False)
    ]
    encoded = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=6)))
    chunks = [encoded[start:end] for start, end in zip([0, *cuts], [*cuts, len(encoded)], strict=True)]
    assert parsed(chunks) == parsed(["".join(f"{line}\n" for line in lines).encode()])


def test_event_ends_with_a_carriage_return_without_waiting_for_what_follows() -> None:
    assert parsed([b"data: a\r\r"]) == [("message", "a", "")]
    assert parsed([b"data: a\r\n\r", b"\ndata: b\n\n"]) == [("message", "a", ""), ("message", "b", "")]


def test_invalid_bytes_are_replaced() -> None:
    assert parsed([b"data: \xff\n\n"]) == [("message", "\ufffd", "")]


@pytest.mark.parametrize("chunk", [b"data: aaaa\n", b"aaaa", b"event: a\n"])
def test_event_is_bounded(chunk: bytes) -> None:
    with pytest.raises(AnswerTooLarge, match="more than 1000 bytes"):
        parsed([chunk] * 1000)


def test_bound_is_that_of_one_event() -> None:
    assert len(parsed([b"data: aaaa\n\n: hb\n\n"] * 1000)) == 1000


def test_data_that_is_not_what_it_has_to_be_is_an_error() -> None:
    with pytest.raises(InvalidAnswer, match="'task_runs', has unexpected data"):
        Message("task_runs", "{", "1").decode(int)

"""Messages by kind: the first line of each, with `#` for what differs between errors of the same kind."""

import re
import sqlite3
from functools import partial

from sqlalchemy import ColumnElement, Text, literal_column
from sqlalchemy.sql.functions import FunctionElement

from taskruns_service.storage.dialects.deadlines import Deadline
from taskruns_service.storage.dialects.expressions import compiled
from taskruns_service.storage.dialects.types import Column

MAX_MESSAGE_KIND_LENGTH = 200
MAX_READ_LENGTH = 500
"""How much of a message is looked at."""

_HEX = "[0-9a-fA-F]"
_LETTER = "[a-fA-F]"
_DIGEST = "|".join(
    [*(f"{_LETTER}{{{count}}}[0-9]{_HEX}{{{6 - count},}}" for count in range(6)), f"{_LETTER}{{6,}}[0-9]{_HEX}*"]
)
"""At least 7 hexadecimal digits with a decimal one among them, by the number of letters before it: `defaced` is a word.

PostgreSQL takes 3 to 25 times as long for a pattern that looks ahead.
"""
_VARYING = rf"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}|0x{_HEX}+|{_DIGEST}|[0-9]+"
"""A UUID, an address, a digest, a number; of those that begin at one character the first is the longest.

So Python, which takes the first, and PostgreSQL, which takes the longest, find the same.
"""
_BLANKS = " \t\n\v\f\r"
_VARYING_PATTERN = re.compile(_VARYING)


def add_message_kinds(connection: sqlite3.Connection, deadline: Deadline) -> None:
    """Gives a connection `message_kind(message)`."""
    connection.create_function("message_kind", 1, partial(_message_kind, deadline), deterministic=True)


def _message_kind(deadline: Deadline, message: str | None) -> str | None:
    deadline.check()
    return None if message is None else kind_of_message(message)


def kind_of_message(message: str) -> str:
    """The kind of a message, as both databases find it. A kind is its own kind."""
    line = message[:MAX_READ_LENGTH].strip(_BLANKS).partition("\n")[0].rstrip(_BLANKS)
    return _VARYING_PATTERN.sub("#", line)[:MAX_MESSAGE_KIND_LENGTH].rstrip(_BLANKS)


def _on_postgresql(message: str, varying: str, blanks: str) -> str:
    line = (
        f"""rtrim(split_part(btrim(left({message} COLLATE "C", {MAX_READ_LENGTH}), {blanks}), E'\\n', 1), {blanks})"""
    )
    return f"rtrim(left(regexp_replace({line}, {varying}, '#', 'g'), {MAX_MESSAGE_KIND_LENGTH}), {blanks})"


@compiled(lambda message, *_: f"message_kind({message})", _on_postgresql)
class message_kind(FunctionElement[str]):  # noqa: N801
    """The kind of a message: its first line, 200 characters at most, with `#` for numbers and hexadecimal digits."""

    type = Text()
    inherit_cache = True

    def __init__(self, message: Column) -> None:
        blanks: ColumnElement[str] = literal_column("E' \\t\\n\\v\\f\\r'")
        super().__init__(message, literal_column(f"'{_VARYING}'"), blanks)

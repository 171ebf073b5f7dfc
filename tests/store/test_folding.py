# ruff: noqa: RUF001 - that letters look alike is what this is about
"""Case: what matches in any case does so by Unicode's full folding, row for row as `str.casefold` has it."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, literal, select

from taskruns_service.domain.ids import new_id
from taskruns_service.storage import migrations, tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import has_text, text_matches
from tests.postgres import PostgresServer
from tests.store.factories import at, opened

LOCALES = {
    "PostgreSQL in C": ["--locale=C"],
    "PostgreSQL in C.UTF-8": ["--locale=C.UTF-8"],
    "PostgreSQL in SQL_ASCII": ["--locale=C", "--encoding=SQL_ASCII"],
}
KINDS = ["SQLite", "PostgreSQL in C", "PostgreSQL in C.UTF-8"]

NAMES = (
    *("ärger", "Ärger", "ÄRGER", "a\u0308rger", "A\u0308RGER", "arger"),
    *("Ж", "ж", "ЖУРНАЛ", "журнал", "ᲀ", "в"),
    *("ΣΊΣΥΦΟΣ", "σίσυφος", "Σίσυφοσ", "ς", "ᾳ", "αι", "ᾼ", "ΑΙ", "ΐ", "ι\u0308\u0301"),
    *("İstanbul", "ıstanbul", "istanbul", "i\u0307stanbul", "ISTANBUL"),
    *("Straße", "STRASSE", "straẞe", "Strasse", "Stra_e", "straſſe", "ß", "ẞ", "ss", "s", "S", "ſ"),
    *("eﬃcient", "EFFICIENT", "ﬀ", "ﬁ", "ﬅ", "ﬆ", "st", "ŉ", "ʼn"),
    *("Kelvin", "\u212aelvin", "kelvin", "Ångström", "\u212bngström", "ångström"),
    *("100%", "100_", "a\\b", "a.b", "a[b]", "a*b", "^a$", "(a)", "{1}", "a|b", " a ", "a\nb", "a-b", "𐐀", "𐐨"),
    *("", "x" * 255),
)


@pytest.fixture(scope="module")
def urls(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    made = {kind: postgres_server.create_database("template0", *options) for kind, options in LOCALES.items()}
    yield made | {"SQLite": f"sqlite:///{tmp_path_factory.mktemp('folding') / 'taskruns.db'}"}
    for url in made.values():
        postgres_server.drop(url)


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, urls: dict[str, str]) -> AsyncIterator[Database]:
    """A database of each kind, in which the names of a test are those of the tenants."""
    async with opened(urls[request.param]) as database:
        await database.transact(migrations.upgrade)
        yield database


def choose(connection: Connection, names: Sequence[str], condition: Any) -> set[str]:
    """Those of the names that meet a condition."""
    connection.execute(delete(tables.tenant))
    connection.execute(
        tables.tenant.insert(),
        [{"id": new_id(), "name": name, "slug": str(new_id()), "created": at(0), "updated": at(0)} for name in names],
    )
    return set(connection.scalars(select(tables.tenant.c.name).where(condition)))


def is_like(text: str, pattern: str) -> bool:
    """Whether a text is like a pattern of SQL's."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    expression = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def readings(text: str) -> set[str]:
    """The foldings of a text with each of the characters that have an expansion read as one or as several."""
    found = {""}
    for character in text:
        folded = character.casefold()
        single = character.lower() if len(character.lower()) == 1 else character
        found = {before + after for before in found for after in {folded, single if len(folded) > 1 else folded}}
    return found


LETTERS = "aAiIkKsSſtTfFßẞäÄ\u0308\u0307İıﬀﬁﬃﬅﬆΣσςιΙ\u0345ᾳᾼΐΰжЖᲀÅ\u212a\u212bŉʼnǰǆǅǄ𐐀𐐨ᎠꭰᏸĀā"
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(st.sampled_from(LETTERS + "%_\\.[]-^$") | CHARACTERS, min_size=1, max_size=20)
SOME_NAMES = st.lists(TEXTS, min_size=1, max_size=12, unique=True)
PARTS = st.tuples(st.integers(0, 11), st.integers(0, 19), st.integers(1, 4))
MANY = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def part_of(names: Sequence[str], part: tuple[int, int, int]) -> str:
    """A part of one of the names, in another case."""
    place, start, length = part
    name = names[place % len(names)]
    start %= len(name)
    return name[start : start + length].swapcase()


def escaped(text: str) -> str:
    """The pattern of LIKE that a text alone is like."""
    return re.sub(r"([%_\\])", r"\\\1", text)


async def contained(database: Database, names: Sequence[str], needle: str) -> set[str]:
    return await database.transact(choose, names, has_text(tables.tenant.c.name, needle))


async def matched(database: Database, names: Sequence[str], operator: str, pattern: str) -> set[str]:
    return await database.transact(choose, names, text_matches(operator, tables.tenant.c.name, literal(pattern)))


async def test_a_name_contains_what_its_folding_contains(database: Database) -> None:
    for needle in filter(None, NAMES):
        expected = {name for name in NAMES if needle.casefold() in name.casefold()}
        assert await contained(database, NAMES, needle) == expected, needle
        assert await matched(database, NAMES, "ilike", f"%{escaped(needle)}%") == expected, needle
        if needle.isalnum():
            assert await matched(database, NAMES, "iregex", needle) == expected, needle


@MANY
@given(SOME_NAMES, PARTS)
async def test_any_name_contains_what_its_folding_contains(
    database: Database, names: list[str], part: tuple[int, int, int]
) -> None:
    needle = part_of(names, part)
    expected = {name for name in names if needle.casefold() in name.casefold()}
    assert await contained(database, names, needle) == expected


@MANY
@given(SOME_NAMES, st.lists(PARTS | st.sampled_from("%_"), min_size=1, max_size=6))
async def test_any_name_is_like_what_its_folding_is_like(
    database: Database, names: list[str], parts: list[tuple[int, int, int] | str]
) -> None:
    pattern = "".join(part if isinstance(part, str) else escaped(part_of(names, part)) for part in parts)
    found = await matched(database, names, "ilike", pattern)
    assert found >= {name for name in names if is_like(name.casefold(), pattern.casefold())}
    # A wildcard may stand for a character that folds to several.
    assert found <= {name for name in names if any(is_like(text, pattern.casefold()) for text in readings(name))}


EXPRESSIONS = {
    "a range": ("^[а-я]+$", {"ЖУРНАЛ", "журнал", "Ж", "ж", "ᲀ", "в"}),
    "a script": ("^[Ѐ-ӿ]+$", {"ЖУРНАЛ", "журнал", "Ж", "ж", "ᲀ", "в"}),
    "a range of capitals": ("^[А-Я]$", {"Ж", "ж", "ᲀ", "в"}),
    "none of a range": ("^[^а-яa-z]rger$", {"ärger", "Ärger", "ÄRGER"}),
    "one of some": ("^[äö-]RGER", {"ärger", "Ärger", "ÄRGER"}),
    "a repeated letter": ("^stra(ß)+e$", {"Straße", "STRASSE", "straẞe", "Strasse", "straſſe"}),
    "a letter that is expanded": ("^STRA.E$", {"Straße", "straẞe", "Stra_e"}),
    "alternatives": (r"^(?:KELVIN|\.s)$", {"Kelvin", "\u212aelvin", "kelvin"}),
    "an escape": (r"^\s\S\s$", {" a "}),
}


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS.values(), ids=EXPRESSIONS)
async def test_expression_matches_letters_in_any_case(database: Database, expression: str, expected: set[str]) -> None:
    assert await matched(database, NAMES, "iregex", expression) == expected


async def test_names_of_a_server_that_knows_bytes_alone_are_folded_character_by_character(urls: dict[str, str]) -> None:
    async with opened(urls["PostgreSQL in SQL_ASCII"]) as database:
        await database.transact(migrations.upgrade)
        assert await contained(database, NAMES, "ÄRG") == {"ärger", "Ärger", "ÄRGER"}
        assert await contained(database, NAMES, "журн") == {"ЖУРНАЛ", "журнал"}
        assert await contained(database, NAMES, "kel") == {"Kelvin", "\u212aelvin", "kelvin"}
        assert await matched(database, NAMES, "ilike", "%ärg%") == {"ärger", "Ärger", "ÄRGER"}
        assert await matched(database, NAMES, "iregex", "^ärg") == {"ärger", "Ärger", "ÄRGER"}

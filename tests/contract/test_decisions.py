"""Decisions and migrations: the documentation names them by the numbers that they have."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
MIGRATIONS = {
    path.name[:4] for path in (ROOT / "service/taskruns_service/storage/migrations/versions").glob("[0-9]*.py")
}
MODULES = [path for folder in ("client", "service", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
HEADING = re.compile(r"# (\d+)\. (.+)\n\n\*\*Status\.\*\* (.+)\. \*\*Date\.\*\* (\d{4}-\d\d-\d\d)\.")


def test_numbers_of_decisions_have_no_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_the_number_of_its_file_a_status_and_a_date(decision: Path) -> None:
    heading = HEADING.match(decision.read_text())
    assert heading is not None
    assert int(heading[1]) == int(decision.name[:4])


def test_index_has_every_decision_with_its_title_status_and_date() -> None:
    index = (FOLDER / "README.md").read_text()
    rows = re.findall(r"^\| \[(\d+)\]\((.+?)\) \| (.+?) \| (.+?) \| (.+?) \|$", index, re.MULTILINE)
    headings = [(path.name, HEADING.match(path.read_text())) for path in DECISIONS]
    assert rows == [(heading[1], name, *heading.groups()[1:]) for name, heading in headings if heading is not None]


def test_decision_that_is_named_exists() -> None:
    known = {path.name for path in DECISIONS}
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (*PAGES, *MODULES, ROOT / "Makefile", ROOT / "pyproject.toml")
        for name in re.findall(r"\b\d{4}-[a-z][a-z0-9-]+\.md\b", path.read_text())
    }
    assert {(path, name) for path, name in named if name not in known} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_link_to_a_decision_shows_its_number(page: Path) -> None:
    links = re.findall(r"\[(?:[Dd]ecision\s)?(\d+)\]\(\S*?(\d{4})-[^)]+\)", page.read_text())
    assert [(shown, number) for shown, number in links if int(shown) != int(number)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_migration_that_is_named_exists(page: Path) -> None:
    assert set(re.findall(r"[Mm]igration (\d{4})", page.read_text())) <= MIGRATIONS

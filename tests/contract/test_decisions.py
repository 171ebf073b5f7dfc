"""Decisions and migrations: the documentation names them by the numbers that they have."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
MIGRATIONS = {
    path.name[:4] for path in (ROOT / "service/taskruns_service/storage/migrations/versions").glob("[0-9]*.py")
}
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_the_number_of_its_file(decision: Path) -> None:
    assert decision.read_text().startswith(f"# {int(decision.name[:4])}. ")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_migration_that_is_named_exists(page: Path) -> None:
    assert set(re.findall(r"[Mm]igration (\d{4})", page.read_text())) <= MIGRATIONS

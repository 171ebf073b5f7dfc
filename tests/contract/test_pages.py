"""Pages: their links lead somewhere, the code that they name exists, and the arrows of the state diagram are real."""

import ast
import itertools
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest

from taskruns_service.domain.history import follow
from taskruns_service.domain.runs import PastState, Run
from taskruns_service.domain.states import GROUPS, StateGroup, StateType

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "service/taskruns_service"
ALL_PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "client/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES_ABOUT_CODE = [
    ROOT / name for name in ("CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md", "docs/states.md")
]
NAME = re.compile(r"([\w./-]+\.py)(?:::([\w.]+))?")
METHOD = re.compile(r"[A-Z]\w+\.\w+")
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:py|md|toml|json|yaml)")
NODES = {
    "pending": GROUPS[StateGroup.pending],
    "running": GROUPS[StateGroup.running],
    "failed": GROUPS[StateGroup.failed] | {StateType.Looped},
    "ended": {StateType.Finished, StateType.Cancelled},
    "successful": GROUPS[StateGroup.successful],
}
START = datetime(2021, 5, 12, tzinfo=UTC)


def without_code_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_fit_into_a_terminal(page: Path) -> None:
    lines = without_code_blocks(page).splitlines()
    assert [line for line in lines if len(line) > 120 and not line.lstrip().startswith("|")] == []


def code_spans(page: Path) -> list[str]:
    """Returns what stands between backticks outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", without_code_blocks(page))


@cache
def definitions(file: Path) -> frozenset[str]:
    """Returns the names that a module defines, those of methods behind the name of their class and a dot."""
    names = set()
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name, body=body):
                functions = [one for one in body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
                names |= {name, *(f"{name}.{one.name}" for one in functions)}
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return frozenset(names)


def located(path: str) -> Path | None:
    """Returns where a path that a page names is: in the repository, or in the service."""
    return next((folder / path for folder in (ROOT, SERVICE) if (folder / path).exists()), None)


def is_missing(span: str) -> bool:
    """Whether a code span looks like a file, a folder or a definition of the service, and there is none."""
    if (match := NAME.fullmatch(span)) is not None:
        file = located(match[1])
        return file is None or bool(match[2] and match[2] not in definitions(file))
    if METHOD.fullmatch(span) is not None and located(span) is None:
        return not any(span in definitions(file) for file in SERVICE.rglob("*.py"))
    return PATH.fullmatch(span) is not None and located(span) is None


@pytest.mark.parametrize("page", PAGES_ABOUT_CODE, ids=lambda page: page.name)
def test_files_and_definitions_that_a_page_names_exist(page: Path) -> None:
    assert [span for span in code_spans(page) if is_missing(span)] == []


def anchors(page: Path) -> set[str]:
    """Returns the anchors of the headings of a page, as code hosts make them."""
    texts = re.findall(r"^#+ (.+)$", without_code_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s:]+)\)", without_code_blocks(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def takes_over(current: StateType, proposed: StateType) -> bool:
    """Whether a state becomes the current one when it follows another long after, in a run that was Running before."""
    run = Run(state=current, state_id=UUID(int=1), state_timestamp=START, run_count=1, first_timestamp=START)
    return follow(run, PastState(START + timedelta(hours=1), proposed, UUID(int=2))).state_id == UUID(int=2)


def test_arrows_of_the_state_diagram_are_those_of_the_code() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+) : [B-F]$", (ROOT / "docs/states.md").read_text(), re.MULTILINE)
    arrows = {
        (source, target)
        for source, target in itertools.product(NODES, repeat=2)
        if any(takes_over(current, proposed) for current in NODES[source] for proposed in NODES[target])
    }
    assert sorted(drawn) == sorted(arrows)


def test_nodes_of_the_state_diagram_hold_every_type_once() -> None:
    assert sorted(itertools.chain(*NODES.values())) == sorted(StateType)

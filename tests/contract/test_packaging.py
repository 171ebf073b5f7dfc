"""Holds pyproject.toml, the locks and the Dockerfile to one another."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
APART = ("patroni", "prefect1", "prefect3")
"""The groups with an environment of their own, and so with a lock of their own."""
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pins(lock: Path) -> dict[str, str]:
    """Returns the version of each distribution in a lock."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def dependency_groups(folder: str = ".") -> dict[str, list[str]]:
    groups: dict[str, list[str]] = project_of(folder).get("dependency-groups", {})
    return groups


def project_of(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


def requirements(folder: str = ".") -> list[str]:
    """Returns what a distribution and its dependency groups ask for, but not how the groups include each other."""
    project = project_of(folder)
    groups = [one for name, group in dependency_groups(folder).items() if name not in APART for one in group]
    asked = project["project"]["dependencies"] + project["build-system"]["requires"] + groups
    return [one for one in asked if isinstance(one, str)]


@pytest.mark.parametrize("requirement", sorted({*requirements(), *requirements("client")}))
def test_dev_lock_answers_every_requirement(requirement: str) -> None:
    asked = Requirement(requirement)
    assert pins(ROOT / "requirements/dev.lock")[asked.name] in asked.specifier


@pytest.mark.parametrize(
    ("group", "requirement"), [(group, one) for group in APART for one in dependency_groups()[group]]
)
def test_lock_of_a_group_apart_answers_its_requirements(group: str, requirement: str) -> None:
    asked = Requirement(requirement)
    assert pins(ROOT / f"requirements/{group}.lock")[asked.name] in asked.specifier


@pytest.mark.parametrize("lock", [one for one in LOCKS if one.stem not in APART], ids=lambda lock: lock.name)
def test_dev_lock_holds_every_lock(lock: Path) -> None:
    assert pins(lock).items() <= pins(ROOT / "requirements/dev.lock").items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_names_no_address(lock: Path) -> None:
    assert not re.findall(r"^-.*|\S+://\S+", lock.read_text(), re.MULTILINE)


def test_client_carries_the_licence() -> None:
    assert (ROOT / "client/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize(("folder", "package"), [(".", "taskruns_service"), ("client", "taskruns")])
def test_wheel_says_that_it_has_types_and_holds_every_file(folder: str, package: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / folder, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    source = ROOT / folder / ("service" if folder == "." else ".")
    suffixes = {".py", ".js", ".css", ".svg", ".html"}
    files = {path.relative_to(source).as_posix() for path in (source / package).rglob("*") if path.suffix in suffixes}
    assert {f"{package}/py.typed", *files} <= names


def test_addresses_of_the_project_are_placeholders_or_complete() -> None:
    service, client = (project_of(folder)["project"]["urls"] for folder in (".", "client"))
    assert service == client
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} == service.keys()
    assert len({"placeholder.invalid" in address for address in service.values()}) == 1


def test_image_is_built_from_files_that_reach_the_builder() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = " ".join(re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)).split()
    assert copied
    assert all((ROOT / path).exists() for path in copied)
    assert {Path(path).parts[0] for path in copied} == allowed


def test_image_is_built_on_what_a_digest_names() -> None:
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    bases = re.findall(r"^FROM \$\{(\w+)\}(?: AS \w+)?$", DOCKERFILE, re.MULTILINE)
    assert len(bases) == DOCKERFILE.count("\nFROM ")
    assert all(re.fullmatch(r"python:3\.13\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", arguments[base]) for base in bases)


def test_health_check_is_python() -> None:
    (command,) = re.findall(r"HEALTHCHECK[^[]+CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    program, option, code = json.loads(command)
    assert (program, option) == ("python", "-c")
    ast.parse(code)

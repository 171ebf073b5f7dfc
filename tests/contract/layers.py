"""Layers: which modules of a package may import which, read from the source of every module."""

import ast
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Rules(NamedTuple):
    """What the modules of one package may import."""

    own: Mapping[str, Sequence[str]]
    """For each room, the rooms that it may import beside itself: "" is the package's own face, "*" stands for all."""
    libraries: Mapping[str, Sequence[str]]
    """For each library that not all may import, the rooms that may."""


class Package:
    """The modules of one package, by name without that of the package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.modules = {
            ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix("__init__").removesuffix("."): file
            for file in sorted(folder.rglob("*.py"))
        }

    def tree(self, module: str) -> ast.Module:
        """The syntax tree of a module."""
        return parse(self.modules[module].read_text())

    def imports(self, module: str) -> Iterator[str]:
        """Yields the full names of all that a module imports, wherever in it."""
        return self.imports_of(module, self._import_nodes(module))

    def imports_of(self, module: str, nodes: Iterable[ast.AST]) -> Iterator[str]:
        """Yields the full names of all that these nodes of a module import."""
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = ".".join(filter(None, [*self._above(module, node.level), node.module]))
                for alias in node.names:
                    name = f"{source}.{alias.name}"
                    yield name if name.removeprefix(f"{self.name}.") in self.modules else source

    def relative_imports(self, module: str) -> list[str]:
        """Which imports of a module do not say the full name."""
        nodes = self._import_nodes(module)
        return [ast.unparse(node) for node in nodes if isinstance(node, ast.ImportFrom) and node.level]

    def _import_nodes(self, module: str) -> Sequence[ast.Import | ast.ImportFrom]:
        return import_nodes(self.modules[module].read_text())

    def _above(self, module: str, level: int) -> Sequence[str]:
        """The package that a relative import of a module begins at; nothing if it is not relative."""
        file = self.modules[module]
        return (self.name, *file.parents[level - 1].relative_to(self.folder).parts) if level else ()

    def own(self, module: str) -> set[str]:
        """The modules of the package that a module imports; "" is the package itself."""
        names = {name for name in self.imports(module) if within(name, self.name)}
        return {name.removeprefix(self.name).removeprefix(".") for name in names} - {module}

    def libraries(self, module: str) -> set[str]:
        """The top-level names of all other packages that a module imports."""
        return {name.partition(".")[0] for name in self.imports(module)} - {self.name}

    def planted(self, module: str, line: str, folder: Path) -> "Package":
        """A copy of the package in an empty folder, with one more line in a module, or with one more module."""
        copy = folder / self.name
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        with copy.joinpath(*module.split(".")).with_suffix(".py").open("a") as file:
            file.write(f"\n{line}\n")
        return Package(copy)


@cache
def parse(source: str) -> ast.Module:
    """The syntax tree of a module; copies of a package have most of them in common."""
    return ast.parse(source)


@cache
def import_nodes(source: str) -> Sequence[ast.Import | ast.ImportFrom]:
    """All imports of a module, wherever in it."""
    return [node for node in ast.walk(parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def room_of(module: str, rules: Rules) -> str | None:
    """The most specific room that a module is in; None if no rule governs it."""
    rooms = [room for room in rules.own if within(module, room)]
    return max(rooms, key=len, default=None)


def within(module: str, room: str) -> bool:
    """Whether a module is a room or in it."""
    return module == room or module.startswith(f"{room}.")


def violations(package: Package, rules: Rules) -> list[str]:
    """A sentence for each import that the rules forbid, and for each module that no rule governs."""
    violations = []
    for module in package.modules:
        room = room_of(module, rules)
        if room is None:
            violations.append(f"{module or '__init__'} is governed by no rule.")
            continue
        allowed = (room, *rules.own[room])
        if "*" not in allowed:
            violations += [
                f"{module} imports {name or package.name}."
                for name in sorted(package.own(module))
                if not any(within(name, other) for other in allowed)
            ]
        violations += [
            f"{module} imports {library}."
            for library in sorted(package.libraries(module) & rules.libraries.keys())
            if not any(within(module, other) for other in rules.libraries[library])
        ]
    return violations

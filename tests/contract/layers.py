"""Layers: which modules of a package may import which, read from the source of every module."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Rules(NamedTuple):
    """What the modules of one package may import."""

    own: Mapping[str, Sequence[str]]
    """For each room, the rooms of the package that it may import beside itself; "*" stands for all."""
    libraries: Mapping[str, Sequence[str]]
    """For each library that not all may import, the rooms that may."""


class Package:
    """The modules of one package, by name without that of the package."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.modules = {
            ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix("__init__").removesuffix("."): file
            for file in sorted(folder.rglob("*.py"))
        }

    def tree(self, module: str) -> ast.Module:
        """The syntax tree of a module."""
        return ast.parse(self.modules[module].read_text())

    def imports(self, module: str) -> Iterator[str]:
        """Yields the full names of all that a module imports, wherever in it."""
        for node in ast.walk(self.tree(module)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, "imports say the full name"
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    yield name if name.removeprefix(f"{self.name}.") in self.modules else str(node.module)

    def own(self, module: str) -> set[str]:
        """The modules of the package that a module imports."""
        prefix = f"{self.name}."
        names = {name.removeprefix(prefix) for name in self.imports(module) if name.startswith(prefix)}
        return names - {module}

    def libraries(self, module: str) -> set[str]:
        """The top-level names of all other packages that a module imports."""
        return {name.partition(".")[0] for name in self.imports(module)} - {self.name}


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
                f"{module} imports {name}."
                for name in sorted(package.own(module))
                if not any(within(name, other) for other in allowed)
            ]
        violations += [
            f"{module} imports {library}."
            for library in sorted(package.libraries(module) & rules.libraries.keys())
            if not any(within(module, other) for other in rules.libraries[library])
        ]
    return violations

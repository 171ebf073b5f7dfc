"""Names: which of those that code binds are pronouns and participles. They stand for a noun that they do not say.

`python -m tests.contract.names` prints how many each package has, and with the name of a package where they are.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "service" / "taskruns_service", ROOT / "client" / "taskruns")
TESTS = ROOT / "tests"
WORDS = {
    *("one", "what", "how", "of", "here", "more", "some"),
    *("given", "sent", "made", "found", "asked", "told", "kept", "taken", "left"),
}


class Name(NamedTuple):
    """A name that a module binds."""

    text: str
    file: Path
    line: int

    @property
    def package(self) -> str:
        """The package of the module, two deep at most, such as `taskruns_service.api`; `tests` is one package."""
        if self.file.is_relative_to(TESTS):
            return TESTS.name
        (folder,) = (folder for folder in PACKAGES if self.file.is_relative_to(folder))
        return ".".join([folder.name, *self.file.relative_to(folder).parent.parts[:1]])

    @property
    def says_no_noun(self) -> bool:
        """Whether it is one of the words, with or without underscores around it."""
        return self.text.strip("_") in WORDS


def bound_names(file: Path) -> Iterator[Name]:
    """Yields all names that a module binds, wherever in it, as often as it binds them."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.FunctionDef(name=text) | ast.AsyncFunctionDef(name=text) | ast.ClassDef(name=text):
                pass
            case ast.arg(arg=text) | ast.Name(id=text, ctx=ast.Store()) | ast.Attribute(attr=text, ctx=ast.Store()):
                pass
            case ast.alias(asname=str(text)) | ast.ExceptHandler(name=str(text)):
                pass
            case ast.MatchAs(name=str(text)) | ast.MatchStar(name=str(text)) | ast.MatchMapping(rest=str(text)):
                pass
            case _:
                continue
        yield Name(text, file, node.lineno)


@cache
def names_by_package() -> dict[str, list[Name]]:
    """The names of each package, without the generated client and without migrations, which stay as released.

    Of the tests, they are those of the modules that tests share.
    """
    files = [file for folder in PACKAGES for file in sorted(folder.rglob("*.py"))]
    files += [file for file in sorted(TESTS.rglob("*.py")) if not file.name.startswith("test_")]
    names = [name for file in files if not {"_generated", "versions"} & {*file.parts} for name in bound_names(file)]
    names.sort(key=lambda name: name.package)
    return {package: list(members) for package, members in groupby(names, lambda name: name.package)}


def main() -> None:
    """Prints the share of each package, or where the names of those are that are arguments of the command."""
    packages = names_by_package()
    lines = []
    for package, names in packages.items():
        count = sum(name.says_no_noun for name in names)
        lines.append(f"{package:30}{count:5} of {len(names):5} names, {count / len(names):6.1%}")
    lines += [
        f"{name.file.relative_to(ROOT)}:{name.line} {name.text}"
        for package in sys.argv[1:]
        for name in packages[package]
        if name.says_no_noun
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

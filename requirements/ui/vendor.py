"""Copies what the pages and the API reference use from node_modules/ into the service, with licences and digests.

Bare names in imports become relative paths, so that browsers need no import map, which would be an inline script.
"""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGES = Path(__file__).parent / "node_modules"
FILES = {
    "preact": "preact/dist/preact.mjs",
    "preact/hooks": "preact/hooks/dist/hooks.mjs",
    "@preact/signals-core": "@preact/signals-core/dist/signals-core.mjs",
    "@preact/signals": "@preact/signals/dist/signals.mjs",
    "htm": "htm/dist/htm.mjs",
}
"""The module of each bare name."""
LICENSED = ("preact", "@preact/signals-core", "@preact/signals", "htm")
REFERENCE = "swagger-ui-dist"
REFERENCE_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
"""The files of the API reference, which are copied as they are."""
REFERENCE_LICENSES = ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt")
_IMPORT = re.compile(r'(\bfrom *")([^".][^"]*)(")')
_SOURCE_MAP = re.compile(r"\n//# sourceMappingURL=\S+\s*$")


def file_name(name: str) -> str:
    """The name of a library's file."""
    return f"{name.rpartition('/')[2]}.js"


def module_of(name: str) -> str:
    """The text of a library, with relative imports."""
    text = _SOURCE_MAP.sub("", (PACKAGES / FILES[name]).read_text())
    return _IMPORT.sub(lambda match: f"{match[1]}./{file_name(match[2])}{match[3]}", text).rstrip() + "\n"


def license_of(name: str, files: Sequence[str] = ("LICENSE",)) -> str:
    """The licence of a library, with the version that it is of."""
    package = json.loads((PACKAGES / name / "package.json").read_text())
    texts = "\n\n".join((PACKAGES / name / file).read_text().strip() for file in files)
    return f"{name} {package['version']} ({package['license']})\n\n{texts}\n"


def empty(folder: Path) -> None:
    """Makes a folder, or removes what is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()


def vendor_modules(folder: Path) -> None:
    """Writes the libraries of the pages into a folder, in place of what it has."""
    empty(folder)
    for name in FILES:
        (folder / file_name(name)).write_text(module_of(name))
        (folder / file_name(name)).with_suffix(".d.ts").write_text(types_of(name))
    (folder / "LICENSES").write_text(f"\n{'-' * 80}\n".join(map(license_of, LICENSED)))
    write_sums(folder)


def vendor_reference(folder: Path) -> None:
    """Writes the renderer of the API reference into a folder, in place of what it has."""
    empty(folder)
    for file in REFERENCE_FILES:
        shutil.copyfile(PACKAGES / REFERENCE / file, folder / file)
    (folder / "LICENSES").write_text(license_of(REFERENCE, REFERENCE_LICENSES))
    write_sums(folder)


def write_sums(folder: Path) -> None:
    """Writes the digests of all files in a folder."""
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))


def types_of(name: str) -> str:
    """A declaration that leads the type checker, and nobody else, to the library's own types."""
    return f'export * from "{name}";\n' + (f'export {{ default }} from "{name}";\n' if name == "htm" else "")


if __name__ == "__main__":
    vendor_modules(Path(sys.argv[1]))
    vendor_reference(Path(sys.argv[2]))

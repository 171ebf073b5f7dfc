"""Copies the libraries of the pages from node_modules/ into the service, with their licences and their digests.

Bare names in imports become relative paths, so that browsers need no import map, which would be an inline script.
"""

import hashlib
import json
import re
import sys
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
_IMPORT = re.compile(r'(\bfrom *")([^".][^"]*)(")')
_SOURCE_MAP = re.compile(r"\n//# sourceMappingURL=\S+\s*$")


def file_name(name: str) -> str:
    """The name of a library's file."""
    return f"{name.rpartition('/')[2]}.js"


def module_of(name: str) -> str:
    """The text of a library, with relative imports."""
    text = _SOURCE_MAP.sub("", (PACKAGES / FILES[name]).read_text())
    return _IMPORT.sub(lambda match: f"{match[1]}./{file_name(match[2])}{match[3]}", text).rstrip() + "\n"


def licenses() -> str:
    """The licences of all libraries, each with the version that it is of."""
    parts = []
    for name in LICENSED:
        package = json.loads((PACKAGES / name / "package.json").read_text())
        licence = (PACKAGES / name / "LICENSE").read_text().strip()
        parts.append(f"{name} {package['version']} ({package['license']})\n\n{licence}\n")
    return f"\n{'-' * 80}\n".join(parts)


def vendor(folder: Path) -> None:
    """Writes everything into a folder, in place of what it has."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name in FILES:
        (folder / file_name(name)).write_text(module_of(name))
        (folder / file_name(name)).with_suffix(".d.ts").write_text(types_of(name))
    (folder / "LICENSES").write_text(licenses())
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))


def types_of(name: str) -> str:
    """A declaration that leads the type checker, and nobody else, to the library's own types."""
    return f'export * from "{name}";\n' + (f'export {{ default }} from "{name}";\n' if name == "htm" else "")


if __name__ == "__main__":
    vendor(Path(sys.argv[1]))

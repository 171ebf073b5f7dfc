"""Runs one scenario: the arguments are its name, what it is called with as JSON, and the file for what it returns."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    name, arguments, path = sys.argv[1:]
    module, _, function = name.partition(".")
    answers = getattr(import_module(module), function)(**json.loads(arguments))
    Path(path).write_text(json.dumps(answers))

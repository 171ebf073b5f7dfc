"""The only place that imports what an extra installs: when it is needed, and with an error that names the extra."""

from importlib import import_module
from typing import Any

from taskruns.results.errors import MissingExtra


def extra(module: str, name: str, feature: str) -> Any:
    """Returns a module of the extra `name`, which `feature` needs; raises MissingExtra where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise MissingExtra(f"{feature} needs {library}: install the extra `{name}` of taskruns") from error

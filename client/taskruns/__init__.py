"""The Python client of the task runs service."""

from importlib.metadata import version

__version__ = version("taskruns")

"""The task runs service: records what a flow's tasks did and answers questions about it."""

from importlib.metadata import version

__version__ = version("taskruns-service")

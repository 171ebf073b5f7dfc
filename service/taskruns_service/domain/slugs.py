"""Task slugs: a name, and for each copy of the task in its flow a number."""

import re

_NUMBER = re.compile(r"(?<=.)-[0-9]+$", re.DOTALL)


def name_in_slug(task_slug: str) -> str:
    """The name of a task of which only the slug is known: `step` for `step-1` and for `step`."""
    return _NUMBER.sub("", task_slug)

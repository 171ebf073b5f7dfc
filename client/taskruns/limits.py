"""How much the service takes or gives at once, as its document says."""

MAX_PAGE_SIZE = 1000
"""How many items a page has at most."""
MAX_REPORTED_TASK_RUNS = 1000
"""How many task runs one request reports at most."""
MAX_REPORTED_LOG_LINES = 1000
"""How many log lines one request reports at most."""
MAX_VALUES = 100
"""How many values a parameter has at most."""

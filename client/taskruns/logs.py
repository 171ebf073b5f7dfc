"""What the client logs, shown where TASKRUNS_LOG asks for it: calls, statuses and waits, never keys or bodies."""

import logging

from taskruns import settings


def configure() -> None:
    """Lets the logger `taskruns` write at the level of TASKRUNS_LOG, to standard error if nothing takes it yet.

    Raises:
        InvalidSetting: If TASKRUNS_LOG is no level.
    """
    level = settings.log_level()
    if level is None:
        return
    log = logging.getLogger("taskruns")
    log.setLevel(min(log.level or level, level))
    if not log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)

"""Every change to flow runs and task runs, and what locks, changes and writes them: the unit of work."""

"""Records flows that are plain Python: tasks, the flow runs that they run in, and the reports about both."""

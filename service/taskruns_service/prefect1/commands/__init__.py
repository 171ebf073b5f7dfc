"""What only clients of Prefect 1 change: registered flows, scheduled runs, agents, logs and artifacts."""

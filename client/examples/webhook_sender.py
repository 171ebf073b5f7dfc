"""Sends every change of a task run of a flow run to a webhook: `python webhook_sender.py FLOW_RUN_ID WEBHOOK FILE`.

FILE keeps how far it is, so that it goes on there when it is started again. A change whose delivery was interrupted is
sent again with the same `Idempotency-Key`: a receiver that ignores keys that it has seen gets each change once.
"""

import sqlite3
import sys
import time
from contextlib import closing

import httpx

from taskruns import Client
from taskruns.live import TaskRunsChanged
from taskruns.models import TaskRun

ATTEMPTS = 5


def deliver(http: httpx.Client, webhook: str, task_run: TaskRun) -> None:
    """Sends one change, again if the receiver is unavailable."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"{task_run.id}:{task_run.sequence}"}
    for attempt in range(ATTEMPTS):
        try:
            http.post(webhook, content=task_run.to_json(), headers=headers).raise_for_status()
            return
        except httpx.HTTPError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)


def send_changes(flow_run_id: str, webhook: str, file: str) -> None:
    """Sends all changes, until the flow run is finished and nothing has changed for 10 minutes."""
    with closing(sqlite3.connect(file)) as database, Client() as client, httpx.Client() as http:
        database.execute("CREATE TABLE IF NOT EXISTS position (flow_run_id TEXT PRIMARY KEY, last_event_id TEXT)")
        row = database.execute("SELECT last_event_id FROM position WHERE flow_run_id = ?", [flow_run_id]).fetchone()
        with client.flow_runs.events(flow_run_id, last_event_id=row[0] if row else "0") as events:
            for event in events:
                if isinstance(event, TaskRunsChanged):
                    for task_run in event.items:
                        deliver(http, webhook, task_run)
                with database:
                    database.execute("REPLACE INTO position VALUES (?, ?)", [flow_run_id, event.last_event_id])


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    send_changes(*sys.argv[1:])

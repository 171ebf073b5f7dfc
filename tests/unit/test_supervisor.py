"""The supervisor's events: handlers of signals may set them whatever the main thread is at."""

import signal
import subprocess
import sys

SIGNALS = 100_000
PROGRAM = f"""
import os, signal, threading
from taskruns_service.server.supervisor import SignalEvent

event, handled = SignalEvent(), []

def handle(*_):
    event.set()
    handled.append(None)

signal.signal(signal.SIGUSR1, handle)

def send():
    for _ in range({SIGNALS}):
        os.kill(os.getpid(), signal.SIGUSR1)
    done.append(None)
    event.set()

done = []
threading.Thread(target=send).start()
while not done:
    event.set()
    event.wait()
    event.clear()
print(bool(handled))
"""


def test_signal_may_come_while_an_event_is_waited_for() -> None:
    assert hasattr(signal, "SIGUSR1")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "True\n"

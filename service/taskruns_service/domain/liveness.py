"""Liveness: what is known of the process of a flow run that sends heartbeats."""

from enum import StrEnum


class Liveness(StrEnum):
    """What heartbeats say of a flow run that sends some, and how far the service is with what follows from that."""

    alive = "alive"
    """Heartbeats come, or their time is not over."""
    crashing = "crashing"
    """None came in time: its task runs become Crashed, a batch after the other, and the flow run with the last one."""
    crashed = "crashed"
    """It is Crashed, and so are its task runs."""
    recovering = "recovering"
    """It was heard of again: its task runs return to their states, a batch after the other."""


STALE_SECONDS = 90
"""A running flow run is stale after this long without a heartbeat: the recorder has missed three."""


def silence_message(last_heartbeat: object) -> str:
    """The message of a Crashed state: since when nothing was heard."""
    return f"No heartbeat since {last_heartbeat:%Y-%m-%d %H:%M:%S} UTC."

"""The ledger: the runs that one transaction is about, locked and read together, changed in memory, written together."""

from taskruns_service.ledger.entries import FlowRunEntry, NaturalKey, TaskRunEntry, current_state
from taskruns_service.ledger.ledger import Ledger

__all__ = ["FlowRunEntry", "Ledger", "NaturalKey", "TaskRunEntry", "current_state"]

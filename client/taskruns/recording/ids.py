"""Ids of task runs and of log lines, made here so that they are known before the service has heard of them."""

import os
import time
from itertools import count
from uuid import UUID

_numbers = count()
_FAMILY = 0xFFF
_NUMBER = 0xFFFFF
_RANDOM = (1 << 42) - 1


def new_id_in(flow_run_id: UUID) -> UUID:
    """Makes an id as the service takes it: of version 7, with the 12 bits of its flow run's id that stand for a family.

    It has 48 bits of Unix milliseconds, the 12 of the family, 20 that count, so that ids are in the order in which a
    process makes them, and 42 random ones.
    """
    bits = time.time_ns() // 1_000_000 << 80 | 0x7 << 76 | (flow_run_id.int >> 64 & _FAMILY) << 64
    return UUID(int=bits | 0b10 << 62 | (next(_numbers) & _NUMBER) << 42 | int.from_bytes(os.urandom(6)) & _RANDOM)

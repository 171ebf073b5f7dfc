"""Identifiers: UUIDs of version 7, in the order in which they were made, that carry the flow run they belong to."""

import itertools
import secrets
import time
from uuid import UUID

_counter = itertools.count(secrets.randbits(20))


def new_id(family: UUID | None = None) -> UUID:
    """Makes an id (RFC 9562, version 7): 48 bits of Unix milliseconds, 12 bits of family, 20 bits of counter, 42 random.

    The family bits of a task run's id are those of its flow run's id, so that everything about one flow run can be
    sent to one place (a writer, a shard) by an id alone. The counter keeps ids of one millisecond in order.
    """
    bits = time.time_ns() // 1_000_000 << 80
    bits |= 0x7 << 76 | (secrets.randbits(12) if family is None else family_of(family)) << 64
    bits |= 0b10 << 62 | (next(_counter) & 0xFFFFF) << 42 | secrets.randbits(42)
    return UUID(int=bits)


def family_of(identifier: UUID) -> int:
    """The 12 bits (0..4095) that a flow run's id shares with the ids of its task runs; any UUID has them."""
    return identifier.int >> 64 & 0xFFF

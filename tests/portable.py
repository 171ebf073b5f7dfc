"""What PostgreSQL has and distributed engines that speak its protocol lack: statements of the service do without it."""

import re
from functools import lru_cache
from typing import Any, Final

_CHANGE = r"(?:UPDATE(?!\s+(?:SET|OF|SKIP|NOWAIT)\b)|INSERT\s+INTO|DELETE\s+FROM)"

# Lacking in at least one of Citus, CockroachDB and YugabyteDB, by what each documents as unsupported or unsafe there.
LACKING: Final = {
    "advisory locks": r"\bpg_(try_)?advisory_",
    "notifications": r"^\s*(LISTEN|UNLISTEN|NOTIFY)\b|\bpg_notify\b",
    "locks on tables": r"^\s*LOCK\b",
    "triggers and rules": r"\bCREATE\s+(OR\s+REPLACE\s+)?(CONSTRAINT\s+)?(TRIGGER|RULE)\b",
    "functions of our own": r"\bCREATE\s+(OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE)\b",
    "extensions": r"\bCREATE\s+EXTENSION\b",
    "temporary and unlogged tables": r"\bCREATE\s+(TEMP|TEMPORARY|UNLOGGED)\b",
    "inheritance": r"\bINHERITS\s*\(",
    "exclusion constraints": r"\bEXCLUDE\s+USING\b",
    "deferred constraints": r"\bDEFERRABLE\b|^\s*SET\s+CONSTRAINTS\b",
    "counters that all nodes share": r"\b(SMALL|BIG)?SERIAL\b|\bnextval\s*\(|\bAS\s+IDENTITY\b",
    "places of rows": r"\b(ctid|xmin|xmax)\b",
    "positions of a cursor": r"\bWHERE\s+CURRENT\s+OF\b",
    "large objects": r"\blo_(create|import|get|put)\b",
    "two-phase commit": r"^\s*(PREPARE\s+TRANSACTION|COMMIT\s+PREPARED)\b",
    "samples": r"\bTABLESAMPLE\b",
    "two changes of a table at once": rf"(?s)\b{_CHANGE}\s+(\w+)\b.*\b{_CHANGE}\s+\1\b",
    "several groupings at once": r"\bGROUPING\s+SETS\b|\b(ROLLUP|CUBE)\s*\(",
}
_LACKING = {feature: re.compile(pattern, re.IGNORECASE) for feature, pattern in LACKING.items()}


@lru_cache(maxsize=2000)  # most statements come again and again
def lacking(statement: str) -> tuple[str, ...]:
    """What of a statement a distributed engine would refuse."""
    return tuple(feature for feature, pattern in _LACKING.items() if pattern.search(statement))


def refuse(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    """Fails the test that sends such a statement to PostgreSQL; a listener of SQLAlchemy's `before_cursor_execute`."""
    if connection.dialect.name == "postgresql" and (features := lacking(statement)):
        raise AssertionError(f"Distributed engines lack {', '.join(features)}: {statement}")

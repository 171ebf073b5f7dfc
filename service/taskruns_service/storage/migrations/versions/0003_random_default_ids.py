"""Random ids for the tenant and the project `default`, whose ids used to be the same everywhere.

Whoever knows a project's id can register a flow in it.
"""

import secrets
from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from taskruns_service.storage.dialects import Id

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TENANT = UUID("01900000-0000-7000-8000-000000000001")
PROJECT = UUID("01900000-0000-7000-8000-000000000002")
REFERENCES = {
    "tenant": (("tenant", "id"), ("project", "tenant_id"), ("agent", "tenant_id")),
    "project": (("project", "id"),),
}


def _replace(ids: Mapping[str, tuple[UUID, UUID]]) -> None:
    for entity, (old, new) in ids.items():
        for table, name in REFERENCES[entity]:
            column = sa.column(name, Id)
            op.execute(sa.table(table, column).update().where(column == old).values({name: new}))


def _random_id(known: UUID) -> UUID:
    """An id of version 7 of the same time, since clients take the first tenant by its id, and 74 random bits."""
    random = secrets.randbits(74)
    time = known.int >> 80 << 80
    return UUID(int=time | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (2**62 - 1))


def upgrade() -> None:
    _replace({"tenant": (TENANT, _random_id(TENANT)), "project": (PROJECT, _random_id(PROJECT))})


def downgrade() -> None:
    """Leaves the ids as they are: nothing depends on them."""

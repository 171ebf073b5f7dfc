"""The name of the task of each task run, and the task run that started a flow run, with an index of each.

Tasks without a name of their own get that in their slug.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from taskruns_service.domain.slugs import name_in_slug
from taskruns_service.storage.dialects import Id, Name

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_task = sa.table("task", sa.column("id", Id), sa.column("slug", sa.String()), sa.column("name", sa.String()))
_task_run = sa.table("task_run", sa.column("task_id", Id), sa.column("task_name", sa.String()))

_STARTED_BY_TASK_RUNS = sa.text("parent_task_run_id IS NOT NULL")


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("task_run", sa.Column("task_name", Name, nullable=False, server_default=sa.text("''")))
    unnamed = connection.execute(sa.select(_task.c.id, _task.c.slug).where(_task.c.name == _task.c.slug)).all()
    named = [{"task_id": id_, "new": name_in_slug(slug)} for id_, slug in unnamed if name_in_slug(slug) != slug]
    if named:
        rename = sa.update(_task).where(_task.c.id == sa.bindparam("task_id")).values(name=sa.bindparam("new"))
        connection.execute(rename, named)
    name = sa.select(_task.c.name).where(_task.c.id == _task_run.c.task_id).scalar_subquery()
    op.execute(sa.update(_task_run).values(task_name=name))
    op.create_index("ix_task_run_task_name", "task_run", ["task_name", "id"])
    op.add_column("flow_run", sa.Column("parent_task_run_id", Id))
    op.create_index(
        "ix_flow_run_parent_task_run",
        "flow_run",
        ["parent_task_run_id", "created", "id"],
        sqlite_where=_STARTED_BY_TASK_RUNS,
        postgresql_where=_STARTED_BY_TASK_RUNS,
    )


def downgrade() -> None:
    op.drop_index("ix_flow_run_parent_task_run", "flow_run")
    op.drop_column("flow_run", "parent_task_run_id")
    op.drop_index("ix_task_run_task_name", "task_run")
    op.drop_column("task_run", "task_name")

"""What Alembic runs for every command: over the connection that it is given, or to print the SQL."""

from alembic import context

from taskruns_service.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()

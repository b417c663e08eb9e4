"""Run the migrations over the connection that `phoserve.adapters.sql.schema` opened."""

from alembic import context

from phoserve.adapters.sql.tables import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables,
    transaction_per_migration=False,
    render_as_batch=context.config.attributes["connection"].dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()

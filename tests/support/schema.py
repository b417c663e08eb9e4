"""Registries with the schema of an older release."""

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from phoserve.adapters.sql.database import parse_url


def migrate_to(url: str, version: str) -> None:
    """Bring an empty registry to a version of the schema."""
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "phoserve/adapters/sql/migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    engine.dispose()

"""Registries with the schema of an older release."""

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from phoserve.adapters.sql.database import parse_url


def migrate_to(url: str, version: str) -> None:
    """Bring an empty registry to a version of the schema."""
    _run(command.upgrade, url, version)


def downgrade_to(url: str, version: str) -> None:
    """Bring a registry back to an earlier version of the schema."""
    _run(command.downgrade, url, version)


def _run(step: Callable[[Config, str], None], url: str, version: str) -> None:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "phoserve/adapters/sql/migrations")
        config.attributes["connection"] = connection
        step(config, version)
    engine.dispose()

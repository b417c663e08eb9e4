"""`phoserve keys`: add, list and revoke the API keys of the registry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import msgspec
import typer

from api.keys import ALL_COLLECTIONS, Role, new_key
from api.schemas.administration import key_view, new_key_view
from cli.main import app
from cli.options import DEFAULT_URL, Key, Url
from phoserve.administration.audit import AuditEvent, AuditStore
from phoserve.administration.keys import KeyStore, StoredKey, validate_expiry, validate_key
from phoserve.errors import ConfigurationError, InvalidInput, NotFound

if TYPE_CHECKING:
    from phoserve.adapters.sql.database import Database
    from phoserve.settings import RegistrySettings

CLI: Final = "cli"

group = typer.Typer(no_args_is_help=True, help="Add, list and revoke API keys of the registry.")
app.add_typer(group, name="keys")

State = Annotated[
    Path | None,
    typer.Option(help="Open the registry in this state folder of `phoserve up` instead of asking the API."),
]
Registry = Annotated[
    bool,
    typer.Option(
        "--registry", help="Open the database of PHOSERVE_REGISTRY__URL instead of asking the API: for the first key."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@group.command()
def add(
    key_id: Annotated[str, typer.Argument(help="The key's id in logs, limits and audit events.")],
    role: Annotated[Role, typer.Option(help="The key's role.")] = Role.READER,
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", "-c", help="A collection that the key may access; repeat it; all by default."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", "-g", help="A group whose documents the key may see too; repeat it."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When the key ends to be valid, such as 2027-01-31T00:00:00Z; never by default.")
    ] = None,
    state: State = None,
    registry: Registry = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    json: AsJson = False,
) -> None:
    """Add a key. Its secret is printed once, to standard output, and is stored nowhere."""
    collections, expires_at = tuple(collection or (ALL_COLLECTIONS,)), _time(expires)
    if state is None and not registry:
        from cli.remote import ApiClient

        body = {"id": key_id, "role": role.value, "collections": collections, "groups": groups or []}
        added = ApiClient(url, key).post("/v1/keys", body | {"expires_at": expires})
    else:
        added = asyncio.run(_add(key_id, role, collections, tuple(groups or ()), expires_at, state))
    if json:
        typer.echo(msgspec.json.encode(added).decode())
        return
    typer.echo(f"Key {key_id} is added. Its secret, which is not stored:", err=True)
    typer.echo(added["secret"])


@group.command(name="list")
def list_(
    state: State = None,
    registry: Registry = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    json: AsJson = False,
) -> None:
    """List the valid keys, without secrets. Keys of the key file are listed by the API only."""
    if state is None and not registry:
        from cli.remote import ApiClient

        keys: list[dict[str, Any]] = ApiClient(url, key).get("/v1/keys")["keys"]
    else:
        keys = asyncio.run(_list(state))
    for each in keys:
        typer.echo(msgspec.json.encode(each).decode() if json else _line(each))


@group.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id.")],
    state: State = None,
    registry: Registry = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Revoke a key for good. It is refused within about a second, and its event streams end within 20 seconds."""
    if state is None and not registry:
        from cli.remote import ApiClient

        ApiClient(url, key).delete(f"/v1/keys/{quote(key_id, safe='')}")
    else:
        asyncio.run(_revoke(key_id, state))
    typer.echo(f"Key {key_id} is revoked.")


async def _add(
    key_id: str,
    role: Role,
    collections: tuple[str, ...],
    groups: tuple[str, ...],
    expires_at: datetime | None,
    state: Path | None,
) -> dict[str, Any]:
    now = datetime.now(UTC)
    validate_key(key_id, collections)
    expires_at = validate_expiry(expires_at, now)
    secret, entry = new_key(key_id, role, tuple(dict.fromkeys(collections)), groups)
    stored = StoredKey(key=entry, created_at=now, created_by=CLI, expires_at=expires_at)
    async with _open_keys(state) as (keys, audit):
        await keys.add(stored)
        await audit.add([_event("add_key", added=key_id, role=role.value)])
    added: dict[str, Any] = msgspec.to_builtins(new_key_view(stored, secret))
    return added


async def _list(state: Path | None) -> list[dict[str, Any]]:
    async with _open_keys(state) as (keys, _):
        return [msgspec.to_builtins(key_view(each)) for each in await keys.keys()]


async def _revoke(key_id: str, state: Path | None) -> None:
    async with _open_keys(state) as (keys, audit):
        if not await keys.revoke(key_id, by=CLI):
            raise NotFound(f"the registry has no valid key {key_id!r}")
        await audit.add([_event("revoke_key", revoked=key_id)])


@asynccontextmanager
async def _open_keys(state: Path | None) -> AsyncIterator[tuple[KeyStore, AuditStore]]:
    """Open keys and audit events in a state folder, or in the settings' database; the platform may run meanwhile."""
    from phoserve.adapters.sql.audit_log import SqlAuditLog
    from phoserve.adapters.sql.key_store import SqlKeyStore
    from phoserve.adapters.sql.schema import check_schema
    from phoserve.settings import load_settings

    settings = load_settings()
    database = _database(state, settings.registry)
    try:
        await check_schema(database)
        kept = settings.audit
        yield (
            SqlKeyStore(database),
            SqlAuditLog(database, keep_days=kept.keep_days or 1, max_events=kept.max_events),
        )
    finally:
        await database.close()


def _database(state: Path | None, settings: "RegistrySettings") -> "Database":
    from cli.local_registry import FILE
    from phoserve.adapters.sql.database import open_database
    from phoserve.composition import open_registry_database

    if state is None:
        return open_registry_database(settings)
    file = state.expanduser().absolute() / FILE
    if not file.exists():
        raise ConfigurationError(f"{state} has no registry: start it once with `phoserve up --state {state}`")
    return open_database(f"sqlite:///{file}")


def _event(action: str, **details: str) -> AuditEvent:
    return AuditEvent(
        at=datetime.now(UTC),
        action=action,
        key=CLI,
        address="",
        request_id="",
        collection=None,
        outcome="done",
        details=details,
    )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput("--expires is a time with a time zone, such as 2027-01-31T00:00:00Z")
    return moment


def _line(key: dict[str, Any]) -> str:
    groups = f"  groups {', '.join(key['groups'])}" if key["groups"] else ""
    expires = f"  until {key['expires_at']}" if key["expires_at"] else ""
    return f"{key['id']:<24} {key['role']:<7} {', '.join(key['collections'])}{groups}{expires}  ({key['source']})"

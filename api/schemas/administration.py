"""Schemas of keys and audit events."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from phoserve.administration.audit import AuditEvent
from phoserve.administration.keys import ALL_COLLECTIONS, ApiKey, Role, StoredKey

Moment = Annotated[datetime, Meta(tz=True)]
ExpiryField = Annotated[
    Moment | None, Meta(description="When the key ends to be valid, with a time zone; null for never.")
]


class KeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to create."""

    id: Annotated[str, Meta(description="Its name in logs, limits and audit events.", max_length=64)]
    role: Role = Role.READER
    collections: Annotated[
        tuple[str, ...],
        Meta(description='Collections that it may access, or `["*"]` for all.', max_length=100),
    ] = (ALL_COLLECTIONS,)
    groups: Annotated[
        tuple[str, ...], Meta(description="It sees documents of these groups, too (docs/access.md).", max_length=32)
    ] = ()
    expires_at: ExpiryField = None


class KeyView(Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: str
    role: Role
    collections: tuple[str, ...]
    groups: tuple[str, ...]
    source: Annotated[
        Literal["registry", "settings"],
        Meta(description="`settings` for keys of the key file: they are changed there."),
    ]
    created_at: datetime | None = None
    created_by: Annotated[str | None, Meta(description="The id of the key that created it, or `cli`.")] = None
    expires_at: datetime | None = None


class NewKey(KeyView, frozen=True, kw_only=True):
    """A key that was just created."""

    secret: Annotated[str, Meta(description="The key itself. It is not stored and never shown again.")]


class KeyList(Struct, frozen=True, kw_only=True):
    """The valid keys that the caller may manage."""

    keys: list[KeyView]


class AuditEvents(Struct, frozen=True, kw_only=True):
    """A page of audit events, the newest first."""

    events: list[AuditEvent]
    cursor: Annotated[str | None, Meta(description="Requests the next page; null at the end.")]


def key_view(key: StoredKey) -> KeyView:
    """Return the view of a key of the registry."""
    return KeyView(**_fields(key))


def new_key_view(key: StoredKey, secret: str) -> NewKey:
    """Return the view of a key that was just created."""
    return NewKey(**_fields(key), secret=secret)


def setting_view(key: ApiKey) -> KeyView:
    """Return the view of a key of the settings."""
    return KeyView(id=key.id, role=key.role, collections=key.collections, groups=key.groups, source="settings")


def _fields(key: StoredKey) -> dict[str, Any]:
    return {
        "id": key.key.id,
        "role": key.key.role,
        "collections": key.key.collections,
        "groups": key.key.groups,
        "source": "registry",
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
    }

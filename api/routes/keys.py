"""POST, GET and DELETE /v1/keys: the API keys of the registry."""

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from api.auth import admins, check_body
from api.body import StrictJson
from api.dependencies import AuditDep, DeadlineDep, PrincipalDep, ServicesDep
from api.keys import Principal
from api.registry_keys import RegistryKeys
from api.schemas.administration import KeyList, KeyRequest, KeyView, NewKey, key_view, new_key_view, setting_view
from api.services import Services
from phoserve.administration.keys import ApiKey, KeyStore, StoredKey, new_key, validate_expiry, validate_key
from phoserve.errors import Conflict, Forbidden, NotFound, Unavailable


@post("/v1/keys", dto=StrictJson, return_dto=None, guards=[admins, check_body], tags=["administration"])
async def add_key(
    data: JSONBody[KeyRequest],
    services: ServicesDep,
    principal: PrincipalDep,
    audit: AuditDep,
    deadline: DeadlineDep,
) -> NewKey:
    """Create a key. Its secret is in the response and nowhere else.

    It is valid in this process at once, and in the others within about a second. An administrator's key of some
    collections creates keys of these collections only.
    """
    ring, store = _registry_keys(services)
    with audit.record("add_key", principal, added=data.id, role=data.role.value):
        now = datetime.now(UTC)
        validate_key(data.id, data.collections)
        expires_at = validate_expiry(data.expires_at, now)
        if not _may_manage(principal, data.collections):
            raise Forbidden("an administrator's key of some collections creates keys of these collections only")
        if any(each.id == data.id for each in ring.source.entries()):
            raise Conflict(f"the key id {data.id!r} is taken; choose another one")
        secret, key = new_key(data.id, data.role, tuple(dict.fromkeys(data.collections)), data.groups)
        stored = StoredKey(key=key, created_at=now, created_by=principal.id, expires_at=expires_at)
        await deadline.keep(store.add(stored))
        with suppress(Unavailable):  # the next read finds it, and the secret must not be lost
            await ring.refresh()
    return new_key_view(stored, secret)


@get("/v1/keys", guards=[admins], tags=["administration"])
async def list_keys(services: ServicesDep, principal: PrincipalDep, deadline: DeadlineDep) -> KeyList:
    """Return the valid keys, of the settings and of the registry, that access no collection that this key may not."""
    ring, store = _registry_keys(services)
    stored = [key_view(each) for each in await deadline.keep(store.keys())]
    views: list[KeyView] = [*map(setting_view, ring.source.entries()), *stored]
    return KeyList(keys=[each for each in views if _may_manage(principal, each.collections)])


@delete("/v1/keys/{key_id:str}", guards=[admins], tags=["administration"])
async def revoke_key(
    key_id: FromPath[str],
    services: ServicesDep,
    principal: PrincipalDep,
    audit: AuditDep,
    deadline: DeadlineDep,
) -> None:
    """Revoke a key for good: in this process at once, in the others within about a second.

    Responses that are being sent with it end within 20 seconds. A key of the settings is removed there.
    """
    ring, store = _registry_keys(services)
    with audit.record("revoke_key", principal, revoked=key_id):
        known = [each.key for each in await deadline.keep(store.keys())]
        is_known = any(_is_manageable(each, key_id, principal) for each in known)
        if not is_known or not await deadline.keep(store.revoke(key_id, by=principal.id)):
            if any(_is_manageable(each, key_id, principal) for each in ring.source.entries()):
                raise Conflict(f"the key {key_id!r} is one of the settings; remove it from the key file")
            raise NotFound(f"key {key_id!r} does not exist")
        try:
            await ring.refresh()
        except Unavailable:
            ring.forget(key_id)


def _registry_keys(services: Services) -> tuple[RegistryKeys, KeyStore]:
    """Return the keys and where they are stored.

    A server without keys manages none: any client could leave a key behind for the time when keys are required.
    """
    if isinstance(services.keys, RegistryKeys) and services.stores.keys is not None:
        return services.keys, services.stores.keys
    raise NotFound(
        "this server requires no keys and manages none: set PHOSERVE_KEYS__REQUIRED=true and create the first key with "
        "`phoserve keys add`"
    )


def _may_manage(principal: Principal, collections: Collection[str]) -> bool:
    return principal.touches_all or principal.collections.issuperset(collections)


def _is_manageable(key: ApiKey, key_id: str, principal: Principal) -> bool:
    return key.id == key_id and _may_manage(principal, key.collections)

"""Collections: their records, and how one changes to another model.

A `Collection` is immutable; each verb below returns the next version of it. A change counts once a `DocumentRegistry`
has saved that version, which it does only if the stored record is still the one that the change started from.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import msgspec

from phoserve.contract import Fusion
from phoserve.errors import Conflict, InvalidInput

MAX_NAME_CHARACTERS: Final = 64
FORMER_KEPT: Final = timedelta(hours=1)
"""How long the passages of a collection's former model are kept, as long as a process may use an older record."""


class Reembedding(msgspec.Struct, frozen=True, kw_only=True):
    """The change of a collection to another model, while its passages are embedded again."""

    model: str
    """The name of the new model."""
    fingerprint: str
    started_at: datetime
    documents: int = 0
    """How many documents there were to embed again when it started."""
    done: int = 0
    """How many of them the new model has embedded."""
    holder: str = ""
    """The process that works on it."""
    due_at: datetime
    """When another process may take over: the end of that one's lease."""


class RetiredPassages(msgspec.Struct, frozen=True, kw_only=True):
    """Passages of a model that the collection no longer uses, kept for processes that read its record earlier."""

    fingerprint: str
    until: datetime
    is_complete: bool = True
    """Searches may read them; not those of a change that was cancelled."""
    discarding: bool = False
    """They are being deleted, so they cannot be used again."""


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of documents that are searched together.

    The name is unique among the collections that are not being deleted; a collection that is made again under the same
    name has another id.
    """

    id: str
    name: str
    description: str = ""
    model: str = ""
    """The name of the model that embeds its documents; empty if it is not known."""
    fingerprint: str = ""
    """Of that model; empty for the deployment's default."""
    reembedding: Reembedding | None = None
    """The change to another model that is in progress."""
    retired: tuple[RetiredPassages, ...] = ()
    """Passages of its former models that are still stored."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """How the collection is searched, where it differs from the defaults; `fusion` has the weights."""
    created_at: datetime
    deleting: bool = False
    version: int = 0
    """Counts the writes of this record; 0 until the first one."""

    @property
    def searchable_fingerprints(self) -> tuple[str, ...]:
        """Of the models whose passages searches may read, the newest first; "" is the deployment's default."""
        now = _now()
        former = [each for each in self.retired if each.is_complete and not each.discarding and each.until > now]
        return (self.fingerprint, *(each.fingerprint for each in reversed(former)))

    @property
    def needed_fingerprints(self) -> tuple[str, ...]:
        """Of the models that embed its new documents: its own, and the one that it is changing to."""
        target = (self.reembedding.fingerprint,) if self.reembedding else ()
        return tuple(each for each in (self.fingerprint, *target) if each)

    @property
    def fusion(self) -> Fusion | None:
        """The fusion weights of its hybrid searches; None for those of the model."""
        return msgspec.convert(self.settings["fusion"], Fusion) if "fusion" in self.settings else None

    def start_reembedding(self, model: str, fingerprint: str) -> Self:
        """Return the collection as changing to another model; itself if it has that model or is changing to it.

        Raises Conflict while it is changing to a third one.
        """
        if self.reembedding is not None:
            if self.reembedding.fingerprint == fingerprint:
                return self
            raise Conflict(
                f"collection {self.name!r} is changing to the model {self.reembedding.model!r}; wait for that, or "
                f"cancel it with DELETE /v1/collections/{self.name}/model"
            )
        if self.fingerprint == fingerprint:
            return self
        if any(each.fingerprint == fingerprint and each.discarding for each in self.retired):
            raise Conflict(f"the former passages of the model {model!r} are being deleted; try again in a moment")
        now = _now()
        return msgspec.structs.replace(
            self,
            reembedding=Reembedding(model=model, fingerprint=fingerprint, started_at=now, due_at=now),
            retired=tuple(each for each in self.retired if each.fingerprint != fingerprint),
        )

    def claim_reembedding(self, holder: str, lease: timedelta) -> Self:
        """Return the collection with its change worked on by `holder`, which must report within `lease`."""
        return self._reembedding_with(holder=holder, due_at=_now() + lease)

    def extend_reembedding(self, lease: timedelta) -> Self:
        """Return the collection with the lease on its change renewed."""
        return self._reembedding_with(due_at=_now() + lease)

    def report_reembedding(self, documents: int, done: int, lease: timedelta) -> Self:
        """Return the collection with `done` of `documents` embedded again, and the lease renewed."""
        return self._reembedding_with(documents=documents, done=done, due_at=_now() + lease)

    def cancel_reembedding(self) -> Self:
        """Return the collection with its model as it is. What the other model embedded is to be deleted."""
        change = self.reembedding
        if change is None:
            return self
        # The process that works on it notices within its lease; until then it may still write.
        until = max(_now(), change.due_at)
        target = RetiredPassages(fingerprint=change.fingerprint, until=until, is_complete=False)
        return msgspec.structs.replace(self, reembedding=None, retired=(*self.retired, target))

    def finish_reembedding(self, kept: timedelta) -> Self:
        """Return the collection with the new model; the passages of the former one are kept for that long."""
        change = self.reembedding
        if change is None:
            return self
        former = RetiredPassages(fingerprint=self.fingerprint, until=_now() + kept)
        return msgspec.structs.replace(
            self,
            model=change.model,
            fingerprint=change.fingerprint,
            reembedding=None,
            retired=(*self.retired, former),
        )

    def discard_retired(self, fingerprint: str) -> Self:
        """Return the collection with its retired passages of that model marked as being deleted."""
        retired = (
            msgspec.structs.replace(each, discarding=True) if each.fingerprint == fingerprint else each
            for each in self.retired
        )
        return msgspec.structs.replace(self, retired=tuple(retired))

    def forget_retired(self, fingerprint: str) -> Self:
        """Return the collection without retired passages of that model."""
        return msgspec.structs.replace(
            self, retired=tuple(each for each in self.retired if each.fingerprint != fingerprint)
        )

    def _reembedding_with(self, **changes: Any) -> Self:
        if self.reembedding is None:
            raise Conflict(f"collection {self.name!r} is not changing its model")
        return msgspec.structs.replace(self, reembedding=msgspec.structs.replace(self.reembedding, **changes))

    def with_fusion(self, fusion: Fusion) -> Self:
        """Return the collection with these fusion weights."""
        return msgspec.structs.replace(self, settings=self.settings | {"fusion": msgspec.to_builtins(fusion)})


def new_collection(name: str, *, description: str = "", model: str = "", fingerprint: str = "") -> Collection:
    """Return a collection created now, under a new id, of the model with this name and fingerprint.

    Raises InvalidInput if the name is not usable.
    """
    return Collection(
        id=uuid.uuid4().hex,
        name=validate_collection_name(name),
        description=description,
        model=model,
        fingerprint=fingerprint,
        created_at=_now(),
    )


def validate_collection_name(name: str) -> str:
    """Return `name` if it is 1 to 64 ASCII letters, digits, `-`, `_` or `.`, starting with a letter or digit."""
    usable = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if not usable or not name[0].isalnum() or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidInput(
            f"a collection name is 1 to {MAX_NAME_CHARACTERS} letters, digits, '-', '_' or '.' (ASCII) "
            "and starts with a letter or digit",
            field="name",
        )
    return name


def _now() -> datetime:
    return datetime.now(UTC)

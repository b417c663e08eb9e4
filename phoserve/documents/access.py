"""Document-level access: a document names groups, a key has groups, and one in common lets the key see the document.

A document without groups is open to every reader of its collection. An `Audience` is closed by default: it sees such
documents alone.
"""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from phoserve.errors import Forbidden, InvalidInput

CLOSED: Final = ("unreadable,record",)
"""The groups of a document whose groups cannot be read: no group has a comma, so only those who see all find it."""
MAX_GROUPS: Final = 32
"""Of a document, and of a key."""
MAX_GROUP_CHARACTERS: Final = 64

Access = tuple[str, ...]
"""The groups of a document, sorted, each once; empty for every reader of the collection."""


@dataclass(frozen=True, slots=True)
class Audience:
    """What a request may see of a collection."""

    groups: frozenset[str] = frozenset()
    sees_all: bool = False
    """Whether groups do not matter: administrators, and clients of a server without keys."""
    hidden_keys: frozenset[str] = frozenset()
    """Documents that this audience may not see although the index does not know it yet."""

    def sees(self, access: Collection[str]) -> bool:
        """Return whether documents with these groups are visible."""
        return self.sees_all or not access or not self.groups.isdisjoint(access)

    def includes(self, other: Self) -> bool:
        """Return whether this audience sees every document that `other` sees, apart from those hidden by key."""
        return self.sees_all or (not other.sees_all and self.groups >= other.groups)

    def check_assignable(self, access: Access, before: Access = ()) -> None:
        """Raise Forbidden if `access` adds a group that is not this audience's own.

        Otherwise a caller could lock itself out, or hand documents to groups that it knows nothing of.
        """
        foreign = set(access) - set(before) - self.groups
        if foreign and not self.sees_all:
            names = ", ".join(repr(each) for each in sorted(foreign))
            raise Forbidden(f"this key does not have the groups {names}; only an administrator's key may add them")

    def without(self, document_keys: Iterable[str]) -> Self:
        """Return the audience without these documents."""
        return replace(self, hidden_keys=self.hidden_keys.union(document_keys))


READERS: Final = Audience()
"""Every reader of a collection: sees documents without groups."""
UNRESTRICTED: Final = Audience(sees_all=True)


def validate_access(groups: Iterable[str], *, field: str = "access") -> Access:
    """Return the groups in normal form C, sorted, each once. Raises InvalidInput that names the field."""
    groups = list(groups)
    if len(groups) > MAX_GROUPS:
        raise InvalidInput(f"{len(groups)} groups; at most {MAX_GROUPS} are possible", field=field)
    return tuple(sorted({validate_group(each, field=field) for each in groups}))


def validate_group(group: str, *, field: str = "access") -> str:
    """Return `group` in normal form C if it is 1 to 64 printable characters without blanks at either end or commas.

    Raises InvalidInput.
    """
    if len(group) > 4 * MAX_GROUP_CHARACTERS:  # before any work on it
        raise InvalidInput(f"a group is at most {MAX_GROUP_CHARACTERS} characters", field=field)
    group = unicodedata.normalize("NFC", group)
    is_usable = 0 < len(group) <= MAX_GROUP_CHARACTERS and group.isprintable() and group == group.strip()
    if not is_usable or "," in group:
        raise InvalidInput(
            f"a group is 1 to {MAX_GROUP_CHARACTERS} printable characters, without commas and without blanks at "
            "either end",
            field=field,
        )
    return group

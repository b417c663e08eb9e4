"""Cursors of listings: opaque, because sequence numbers count the documents of all collections."""

import base64
import binascii
from hashlib import blake2b
from typing import Final

from phoserve.errors import InvalidInput

_NUMBER_BYTES: Final = 8
_TAG_BYTES: Final = 8
_VERSION: Final = "c1"


def encode_cursor(sequence: int, collection_id: str) -> str:
    """Return the cursor of the listing of a collection that continues below `sequence`.

    The number is encrypted with a tag of itself as nonce, as in SIV mode (RFC 5297): the same number gives the same
    cursor. The key is the collection's id, which is random and in no response; a collection of version 0.1 has its name
    as id, so that its cursors hide the number from the eye only.
    """
    number = sequence.to_bytes(_NUMBER_BYTES, "big")
    tag = _hash(collection_id, b"tag", number)
    return _VERSION + base64.urlsafe_b64encode(tag + _masked(number, collection_id, tag)).decode().rstrip("=")


def decode_cursor(cursor: str, collection_id: str) -> int:
    """Return the sequence number. Raises InvalidInput if the cursor was not returned for this collection."""
    former = _former(cursor, collection_id)
    if former is not None:
        return former
    try:
        packed = base64.b64decode(cursor.removeprefix(_VERSION) + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        packed = b""
    tag, number = packed[:_TAG_BYTES], _masked(packed[_TAG_BYTES:], collection_id, packed[:_TAG_BYTES])
    is_own = len(packed) == _TAG_BYTES + _NUMBER_BYTES and tag == _hash(collection_id, b"tag", number)
    if not cursor.startswith(_VERSION) or not is_own:
        raise InvalidInput("this cursor is of another listing; start again without one", field="cursor")
    return int.from_bytes(number, "big")


def _former(cursor: str, collection_id: str) -> int | None:
    """Return the number in a cursor of an earlier version, which clients may hold during an upgrade."""
    of, _, digits = cursor.rpartition(".")
    is_former = of == collection_id and digits.isascii() and digits.isdigit() and len(digits) <= 18
    return int(digits) if is_former else None


def _masked(number: bytes, collection_id: str, tag: bytes) -> bytes:
    mask = _hash(collection_id, b"mask", tag)
    return bytes(byte ^ other for byte, other in zip(number, mask, strict=False))


def _hash(collection_id: str, purpose: bytes, data: bytes) -> bytes:
    key = collection_id.encode(errors="surrogatepass")[: blake2b.MAX_KEY_SIZE]
    return blake2b(data, key=key, person=purpose, digest_size=_TAG_BYTES).digest()

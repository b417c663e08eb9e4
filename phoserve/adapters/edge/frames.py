"""Python values over a pipe between two processes of ours, each behind its length."""

import asyncio
import pickle
import struct
from typing import Any, Final

LENGTH: Final = struct.Struct("!I")


def packed(value: Any) -> bytes:
    """The frame of `value`."""
    content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(content)) + content


async def next_value(reader: asyncio.StreamReader) -> Any:
    """The value of the next frame. Raises EOFError when the other side is gone."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own child or parent
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError from error

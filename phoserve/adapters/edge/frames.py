"""Python values over a pipe between two of this project's processes, each preceded by its length."""

import asyncio
import pickle
import struct
from typing import Any, Final

LENGTH: Final = struct.Struct("!I")


def packed(value: Any) -> bytes:
    """Return the frame of `value`."""
    content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(content)) + content


def unpacked(content: bytes) -> Any:
    """Return the value of a frame's content."""
    return pickle.loads(content)  # noqa: S301 - from our own child, parent or unnamed file


async def next_value(reader: asyncio.StreamReader) -> Any:
    """Return the value of the next frame. Raises EOFError when the other side is gone."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return unpacked(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError from error

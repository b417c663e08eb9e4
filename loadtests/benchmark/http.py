"""A minimal HTTP client for load tests."""

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit


class Reply(NamedTuple):
    """Status and body of a response."""

    status: int
    retry_after_s: int
    body: bytes


class Connection:
    """One persistent HTTP/1.1 connection. HTTP clients with pools would use more CPU time than some servers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def to(cls, url: str) -> "Connection":
        """Open a connection."""
        parts = urlsplit(url)
        assert parts.hostname  # noqa: S101 - a wrong --url
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 24), parts.netloc)

    async def post(self, path: str, body: bytes) -> Reply:
        """POST JSON and return the reply."""
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status_line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        content = await self._reader.readexactly(int(headers["content-length"]))
        return Reply(int(status_line.split()[1]), int(headers.get("retry-after", "0")), content)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

"""An OpenAI-compatible chat server as a process of its own; the model's name says how it behaves.

Run as `python -m tests.support.llm_server`; it prints its port. GET /stats counts streams.
"""

import asyncio
import json
from typing import Any

ANSWER = "Nhân viên được nghỉ phép mười hai ngày [1]. Xem thêm sổ tay [8]."
USAGE = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}
stats = {"open": 0, "finished": 0, "abandoned": 0}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-len")), 0)
    body = json.loads(await reader.readexactly(length)) if length else {}
    try:
        if head.startswith("GET /stats"):
            await reply(writer, "200 OK", json.dumps(stats))
        else:
            await BEHAVIOURS[body["model"]](writer)
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def reply(writer: asyncio.StreamWriter, status: str, body: str, *headers: str) -> None:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body.encode())}", *headers]
    writer.write(("\r\n".join([*lines, "Connection: close", "", ""]) + body).encode())
    await writer.drain()


async def stream(
    writer: asyncio.StreamWriter, *, pause_s: float = 0.0, endless: bool = False, cut: bool = False
) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    stats["open"] += 1
    try:
        words = ANSWER.split(" ")
        for word in words[:3] if cut else words:
            await send(writer, chunk({"content": word + " "}))
            await asyncio.sleep(pause_s)
        while endless:
            await send(writer, chunk({"content": "… "}))
            await asyncio.sleep(0.02)
        if not cut:
            await send(writer, chunk({}, "stop"))
            await send(
                writer, {**chunk(None), "usage": {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}}
            )
            writer.write(b"data: [DONE]\n\n")
        stats["finished"] += 1
    except ConnectionError:
        stats["abandoned"] += 1
        raise
    finally:
        stats["open"] -= 1


async def send(writer: asyncio.StreamWriter, data: dict[str, Any]) -> None:
    writer.write(b"data: " + json.dumps(data).encode() + b"\n\n")
    await writer.drain()


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices}


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {oops\n\n")
    await writer.drain()


BEHAVIOURS: dict[str, Any] = {
    "good": stream,
    "slow": lambda writer: stream(writer, pause_s=0.05),
    "lasting": lambda writer: stream(writer, pause_s=1.0),
    "endless": lambda writer: stream(writer, endless=True),
    "cut": lambda writer: stream(writer, cut=True),
    "silent": silent,
    "garbage": garbage,
    "busy": lambda writer: reply(writer, "429 Too Many Requests", '{"error": {"message": "busy"}}', "Retry-After: 7"),
    "broken": lambda writer: reply(writer, "500 Oops", '{"error": {"message": "the prompt was: secret"}}'),
    "wrong": lambda writer: reply(writer, "401 Unauthorized", '{"error": {"message": "bad key sk-123"}}'),
}


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

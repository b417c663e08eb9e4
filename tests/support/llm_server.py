"""An OpenAI-compatible chat server as a process of its own; the model's name selects its behaviour.

Run as `python -m tests.support.llm_server`; it prints its port. GET /stats counts streams and requests by model, GET
/last returns the last request's body.
"""

import asyncio
import gzip
import json
from collections import Counter
from typing import Any

ANSWER = "Nhân viên được nghỉ phép mười hai ngày [1]. Xem thêm sổ tay [8]."
USAGE = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}
STRUCTURED = '{"days": 12, "sources": [1, 9]}'
REASONING = "Người dùng hỏi số ngày phép; đoạn [1] có câu trả lời."
HTML = "<html><body>Please sign in: secret</body></html>"
stats: dict[str, Any] = {"open": 0, "finished": 0, "abandoned": 0, "followed": 0, "requests": Counter()}
last: dict[str, Any] = {}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-len")), 0)
    body = json.loads(await reader.readexactly(length)) if length else {}
    try:
        if head.startswith("GET /stats"):
            await reply(writer, "200 OK", json.dumps(stats))
        elif head.startswith("GET /last"):
            await reply(writer, "200 OK", json.dumps(last))
        elif head.startswith("GET /moved"):
            stats["followed"] += 1
            await reply(writer, "200 OK", "{}")
        elif head.startswith(("POST /moved", "PUT /moved")):
            stats["followed"] += 1
            await stream(writer)
        elif head.startswith("GET /v1/models"):
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in BEHAVIOURS]
            await reply(writer, "200 OK", json.dumps({"object": "list", "data": models}))
        else:
            last.clear()
            last.update(body)
            stats["requests"][body["model"]] += 1
            await BEHAVIOURS[body["model"]](writer)
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def reply(
    writer: asyncio.StreamWriter, status: str, body: str, *headers: str, kind: str = "application/json"
) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}", *headers]
    writer.write(("\r\n".join([*lines, "Connection: close", "", ""]) + body).encode())
    await writer.drain()


async def begin(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def stream(
    writer: asyncio.StreamWriter,
    *,
    text: str | None = None,
    pause_s: float = 0.0,
    endless: bool = False,
    cut: bool = False,
    stall_s: float = 0.0,
    reasoning: str = "",
    finish_reason: str = "stop",
) -> None:
    await begin(writer)
    stats["open"] += 1
    try:
        if reasoning:
            await send(writer, chunk({"reasoning_content": reasoning}))
        words = structured_or_answer().split(" ") if text is None else text.split(" ")
        for word in words[:3] if cut or stall_s else words:
            await send(writer, chunk({"content": word + " "}))
            await asyncio.sleep(pause_s)
        for _ in range(int(stall_s * 10)):  # a comment finds out whether the client is still there
            writer.write(b": keep-alive\n\n")
            await writer.drain()
            await asyncio.sleep(0.1)
        while endless:
            await send(writer, chunk({"content": "… "}))
            await asyncio.sleep(0.02)
        if not cut:
            await send(writer, chunk({}, finish_reason))
            await send(writer, {**chunk(None), "usage": USAGE})
            writer.write(b"data: [DONE]\n\n")
        stats["finished"] += 1
    except ConnectionError:
        stats["abandoned"] += 1
        raise
    finally:
        stats["open"] -= 1


def structured_or_answer() -> str:
    return STRUCTURED if (last.get("response_format") or {}).get("type", "text") != "text" else ANSWER


async def send(writer: asyncio.StreamWriter, data: dict[str, Any]) -> None:
    writer.write(b"data: " + json.dumps(data).encode() + b"\n\n")
    await writer.drain()


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices}


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def comments(writer: asyncio.StreamWriter) -> None:
    """Keep the connection alive without a word, as proxies do."""
    await begin(writer)
    while True:
        writer.write(b": keep-alive\n\n")
        await writer.drain()
        await asyncio.sleep(0.1)


async def raw(writer: asyncio.StreamWriter, *events: bytes) -> None:
    await begin(writer)
    for event in events:
        writer.write(b"data: " + event + b"\n\n")
    await writer.drain()


async def whole(writer: asyncio.StreamWriter) -> None:
    """Answer without streaming, though asked to."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": USAGE}
    await reply(writer, "200 OK", json.dumps(body))


async def flood(writer: asyncio.StreamWriter, data: bytes, *, kind: str = "text/event-stream") -> None:
    """Send the same bytes without end, as fast as they are read."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
    while True:
        writer.write(data)
        await writer.drain()


async def bomb(writer: asyncio.StreamWriter) -> None:
    """Send a reply that is packed a thousand times smaller."""
    packed = gzip.compress(b"data: " + b"x" * 400_000_000, compresslevel=1)
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
    writer.write(f"{head}Content-Length: {len(packed)}\r\nConnection: close\r\n\r\n".encode() + packed)
    await writer.drain()


async def once_busy(writer: asyncio.StreamWriter) -> None:
    """Refuse every other request."""
    if stats["requests"]["once-busy"] % 2:
        await reply(writer, "503 Service Unavailable", '{"error": {"message": "loading"}}')
    else:
        await stream(writer)


def refuse(status: str, message: str, *headers: str) -> Any:
    return lambda writer: reply(writer, status, json.dumps({"error": {"message": message}}), *headers)


BEHAVIOURS: dict[str, Any] = {
    "good": stream,
    "slow": lambda writer: stream(writer, pause_s=0.05),
    "lasting": lambda writer: stream(writer, pause_s=1.0),
    "endless": lambda writer: stream(writer, endless=True),
    "cut": lambda writer: stream(writer, cut=True),
    "stalled": lambda writer: stream(writer, stall_s=60),
    "short": lambda writer: stream(writer, text="Nhân viên được nghỉ [1] mười", finish_reason="length"),
    "thinking": lambda writer: stream(writer, text=f"<think>{REASONING}</think>\n\n{ANSWER}"),
    "unopened": lambda writer: stream(writer, text=f"{REASONING}\n</think>\n\n{ANSWER}"),
    "reasoning": lambda writer: stream(writer, reasoning=REASONING),
    "only-thinking": lambda writer: stream(writer, text=f"<think>{REASONING}", finish_reason="length"),
    "image": lambda writer: stream(writer, text=f"![x](http://127.0.0.1:9/?q=secret) {ANSWER}"),
    "markdown": lambda writer: stream(writer, text="**Phép năm:** [1]\n\n- mười hai ngày\n- `hưởng` lương"),
    "empty": lambda writer: stream(writer, text=""),
    "nothing": lambda writer: raw(writer, b"[DONE]"),
    "whole": whole,
    "silent": silent,
    "comments": comments,
    "garbage": lambda writer: raw(writer, b"{oops"),
    "foreign": lambda writer: raw(writer, b'{"result": "ok"}', b"[DONE]"),
    "late-error": lambda writer: raw(
        writer, json.dumps(chunk({"content": "Nhân viên "})).encode(), b'{"error": {"message": "CUDA: secret"}}'
    ),
    "html": lambda writer: reply(writer, "200 OK", HTML, kind="text/html"),
    "once-busy": once_busy,
    "flood": lambda writer: flood(writer, b"data: " + json.dumps(chunk({"content": "dài " * 500})).encode() + b"\n\n"),
    "thinking-flood": lambda writer: flood(
        writer, b"data: " + json.dumps(chunk({"reasoning_content": "dài " * 500})).encode() + b"\n\n"
    ),
    "endless-line": lambda writer: flood(writer, b"x" * 65536),
    "endless-json": lambda writer: flood(writer, b" " * 65536, kind="application/json"),
    "bomb": bomb,
    "busy": refuse("429 Too Many Requests", "busy", "Retry-After: 7"),
    "broken": refuse("500 Oops", "the prompt was: secret"),
    "wrong": refuse("401 Unauthorized", "bad key sk-123"),
    "missing": refuse("404 Not Found", "no such model: secret"),
    **{
        f"moved-{status}": refuse(f"{status} Moved", "secret", "Location: /moved")
        for status in (300, 301, 302, 303, 307, 308)
    },
    "picky": refuse("400 Bad Request", "response_format is unknown: secret"),
}


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

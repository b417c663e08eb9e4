"""Search as one tenant while another attacks, and compare with the same at rest.

PHOSERVE_KEY=... ATTACKER_KEY=... python -m loadtests.attack --url http://127.0.0.1:8000 --collection samples

Each line names an attack, the 95th percentile of the victim's searches at rest and during it, and the requests of both
that ended later than their deadline and a second, or with a status of 500 or above other than 503 and 504, which name
a refusal. The attacker needs the role writer for its own collection `attacker`. It runs in a process of its own and
sends bodies that are made beforehand: what they cost a client does not count as time of the victim's searches.
"""

import argparse
import asyncio
import functools
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Any, Final

import httpx
import numpy as np

OWN: Final = "attacker"
DEADLINE_S: Final = 5.0
REFUSALS: Final = frozenset({503, 504})
QUESTIONS: Final = ("nghỉ phép năm", "bảo hành", "phí giao hàng", "mật khẩu", "công tác phí")
MARKS: Final = "a" + "\u0323\u0302\u0301" * 25_000


@dataclass(slots=True)
class Outcome:
    """Times and faults of requests."""

    seconds: list[float] = field(default_factory=list)
    late: int = 0
    faults: list[str] = field(default_factory=list)
    refused: int = 0

    def add(self, status: int, seconds: float, what: str) -> None:
        """Count one request."""
        self.seconds.append(seconds)
        self.late += seconds > DEADLINE_S + 1
        self.refused += status in REFUSALS or status == 429
        if status >= 500 and status not in REFUSALS:
            self.faults.append(f"{what}: {status}")

    @property
    def p95_ms(self) -> float:
        """The 95th percentile."""
        return float(np.percentile(self.seconds, 95) * 1000) if self.seconds else 0.0


Attack = Callable[[httpx.AsyncClient, random.Random], Awaitable[httpx.Response | None]]


async def hostile_bodies(http: httpx.AsyncClient, rng: random.Random) -> httpx.Response:
    """Send JSON that is broken, nested or of the wrong types."""
    body = rng.choice([b"[" * 200_000, b'{"query": ' + b'{"a":' * 20_000, b'{"query": 1}', rng.randbytes(100_000)])
    return await http.post(f"/v1/collections/{OWN}/search", content=body, headers={"Content-Type": "application/json"})


async def combining_marks(http: httpx.AsyncClient, rng: random.Random) -> httpx.Response:
    """Send runs of combining marks, which are costly to normalise."""
    route, body = rng.choice([("/v1/tokenize", {"input": [MARKS]}), ("/v1/embeddings", {"input": [MARKS]})])
    return await http.post(route, json=body)


async def big_uploads(http: httpx.AsyncClient, rng: random.Random) -> httpx.Response:
    """Upload texts of a megabyte, a few at a time."""
    body = rng.choice(big_bodies())
    headers = {"Content-Type": "application/json"}
    return await http.post(f"/v1/collections/{OWN}/documents?bulk=true", content=body, headers=headers)


@functools.cache
def big_bodies() -> list[bytes]:
    """Return uploads of 3 documents, some with other texts."""
    rng = random.Random(0)  # noqa: S311 - repeatable, guards nothing
    words = ["nghỉ", "phép", "hợp", "đồng", "điều", "khoản"]
    texts = [" ".join(rng.choices(words, k=200_000)) for _ in range(12)]
    return [json.dumps({"documents": [{"id": f"big-{n % 3}", "text": text}]}).encode() for n, text in enumerate(texts)]


async def deep_metadata(http: httpx.AsyncClient, rng: random.Random) -> httpx.Response:
    """Upload metadata that is nested too deep, or as large as is allowed."""
    metadata: dict[str, Any] = {f"k{number}": "x" * 30 for number in range(300)}
    if rng.random() < 0.5:
        for _ in range(200):
            metadata = {"a": metadata}
    document = {"id": f"deep-{rng.randrange(3)}", "text": "a", "metadata": metadata}
    return await http.post(f"/v1/collections/{OWN}/documents", json={"documents": [document]})


async def slow_readers(http: httpx.AsyncClient, _: random.Random) -> None:
    """Read an original a few bytes at a time."""
    async with http.stream("GET", f"/v1/collections/{OWN}/documents/original/original") as answer:
        async for _part in answer.aiter_raw(1024):
            await asyncio.sleep(0.2)


async def feed_floods(http: httpx.AsyncClient, rng: random.Random) -> None:
    """Open event streams and leave them after a moment."""
    async with http.stream("GET", f"/v1/collections/{OWN}/events") as answer:
        if answer.status_code == 200:
            await asyncio.sleep(rng.random())


ATTACKS: Final[dict[str, Attack]] = {
    each.__name__: each
    for each in (hostile_bodies, combining_marks, big_uploads, deep_metadata, slow_readers, feed_floods)
}


async def search(http: httpx.AsyncClient, collection: str, seconds: float, per_s: float) -> Outcome:
    """Search at a steady rate."""
    outcome = Outcome()
    started = time.perf_counter()
    pending: set[asyncio.Task[None]] = set()

    async def ask(number: int) -> None:
        begun = time.perf_counter()
        try:
            answer = await http.post(
                f"/v1/collections/{collection}/search",
                json={"query": f"{QUESTIONS[number % len(QUESTIONS)]} {number}"},
                headers={"X-Request-Timeout": str(DEADLINE_S)},
            )
        except httpx.HTTPError as error:
            outcome.faults.append(f"victim: {error!r}")
            return
        outcome.add(answer.status_code, time.perf_counter() - begun, "victim")

    for number in range(round(seconds * per_s)):
        await asyncio.sleep(max(0.0, started + number / per_s - time.perf_counter()))
        task = asyncio.create_task(ask(number))
        pending.add(task)
        task.add_done_callback(pending.discard)
    if pending:
        await asyncio.wait(pending)
    return outcome


async def attack(http: httpx.AsyncClient, kind: Attack, clients: int, stopped: Event) -> Outcome:
    """Attack with some clients until `stopped`."""
    outcome = Outcome()

    async def one(number: int) -> None:
        rng = random.Random(number)  # noqa: S311 - repeatable, guards nothing
        while not stopped.is_set():
            begun = time.perf_counter()
            try:
                answer = await kind(http, rng)
            except httpx.HTTPError:
                await asyncio.sleep(0.05)  # the server ended the connection: that is a refusal
                continue
            if answer is not None:
                outcome.add(answer.status_code, time.perf_counter() - begun, "attacker")

    tasks = [asyncio.create_task(one(number)) for number in range(clients)]
    while not stopped.is_set():  # noqa: ASYNC110 - an event of another process
        await asyncio.sleep(0.05)
    await asyncio.wait(tasks, timeout=DEADLINE_S + 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return outcome


def attack_from_here(name: str, url: str, clients: int, stopped: Event, outcomes: "multiprocessing.Queue[Any]") -> None:
    """Attack in this process until `stopped`: put None when ready, the Outcome in the end."""

    async def attack_with_key() -> Outcome:
        async with client(url, "ATTACKER_KEY") as http:
            big_bodies()
            outcomes.put(None)
            return await attack(http, ATTACKS[name], clients, stopped)

    outcomes.put(asyncio.run(attack_with_key()))


def client(url: str, name: str) -> httpx.AsyncClient:
    """Return a client with the key of the environment's variable `name`, if there is one."""
    own = {"Authorization": f"Bearer {os.environ[name]}"} if name in os.environ else {}
    return httpx.AsyncClient(base_url=url, headers=own, timeout=60, limits=httpx.Limits(max_connections=200))


async def prepare(http: httpx.AsyncClient) -> None:
    """Create the attacker's collection with a file to read slowly."""
    (await http.put(f"/v1/collections/{OWN}", json={})).raise_for_status()
    files = {"files": ("original.txt", b"dong chu\n" * 400_000, "text/plain")}
    sent = await http.post(f"/v1/collections/{OWN}/documents", files=files, data={"id": "original"})
    if sent.status_code >= 500:
        sent.raise_for_status()


async def run(options: argparse.Namespace) -> bool:
    """Run the attacks one after the other; return whether all limits held."""
    held = True
    async with client(options.url, "PHOSERVE_KEY") as victim, client(options.url, "ATTACKER_KEY") as attacker:
        await prepare(attacker)
        await search(victim, options.collection, 2, options.per_s)  # warm up
        for name in options.attacks:
            rest = await search(victim, options.collection, options.seconds, options.per_s)
            during, theirs = await attacked(name, victim, options)
            ratio = during.p95_ms / rest.p95_ms if rest.p95_ms else float("inf")
            faults = [*during.faults, *theirs.faults]
            row = {
                "attack": name,
                "rest_p95_ms": round(rest.p95_ms, 1),
                "p95_ms": round(during.p95_ms, 1),
                "ratio": round(ratio, 2),
                "searches": len(during.seconds),
                "searches_refused": during.refused,
                "attacks": len(theirs.seconds),
                "late": during.late + theirs.late,
                "faults": faults[:5],
            }
            print(json.dumps(row), flush=True)  # noqa: T201 - the command's output
            held &= ratio <= options.max_ratio and not faults and not row["late"] and not during.refused
    return held


async def attacked(name: str, victim: httpx.AsyncClient, options: argparse.Namespace) -> tuple[Outcome, Outcome]:
    """Return the victim's searches during an attack, and the attacker's requests."""
    processes = multiprocessing.get_context("spawn")
    stopped, outcomes = processes.Event(), processes.Queue()
    attacking = processes.Process(
        target=attack_from_here, args=(name, options.url, options.clients, stopped, outcomes), daemon=True
    )
    attacking.start()
    await asyncio.to_thread(outcomes.get, timeout=30)
    await asyncio.sleep(0.5)
    during = await search(victim, options.collection, options.seconds, options.per_s)
    stopped.set()
    theirs = await asyncio.to_thread(outcomes.get, timeout=DEADLINE_S + 30)
    await asyncio.to_thread(attacking.join)
    return during, theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--collection", default="samples", help="The victim's collection.")
    parser.add_argument("--seconds", type=float, default=20.0, help="Of searches, at rest and during each attack.")
    parser.add_argument("--per-s", type=float, default=10.0, help="Rate of the searches.")
    parser.add_argument("--clients", type=int, default=4, help="Of the attacker.")
    parser.add_argument("--max-ratio", type=float, default=2.0, help="Of the 95th percentiles.")
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()

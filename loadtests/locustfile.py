"""Locust users for every API of phoserve.

locust --locustfile loadtests/locustfile.py --host http://127.0.0.1:8000 --users 20 --run-time 1m --headless SearchUser

Without class names, all closed-loop users of the API run in the proportions of their weights. The API key is read
from the environment (`PHOSERVE_KEY`, Triton's from `TRITON_API_KEY`), never from the command line.
"""

import os
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar
from uuid import uuid4

import gevent
import grpc.experimental.gevent as grpc_gevent
import numpy as np
import tritonclient.grpc as triton_grpc
from locust import FastHttpUser, LoadTestShape, User, between, constant, events, tag, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtests.shapes import SHAPES, users_at
from loadtests.texts import Texts, load_texts
from loadtests.thresholds import Thresholds
from phoserve.adapters.triton.embedder import key_headers

grpc_gevent.init_gevent()
MODEL = "phobert_simcse"
TRITON_KEY = os.environ.get("TRITON_API_KEY") or None


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Add options to Locust's own. Each is also an environment variable."""
    add = parser.add_argument
    add("--collection", default="samples", env_var="PHOSERVE_COLLECTION", help="Collection to search.")
    add("--load-shape", choices=SHAPES, default="constant", help="How the number of users changes.")
    add("--arrivals-per-s", type=float, default=10.0, help="Request rate of each ArrivalsUser.")
    add("--queries", type=Path, default=None, help="JSONL of {query}; default: the samples' questions.")
    add("--corpus", type=Path, default=None, help="JSONL of {id, title, text}; default: the samples.")
    add("--triton-http", default="http://127.0.0.1:8010", help="Triton's HTTP address.")
    add("--triton-grpc", default="127.0.0.1:8001", help="Triton's gRPC address.")
    add("--max-p95-ms", type=float, default=None, help="Fail the run above this.")
    add("--max-p99-ms", type=float, default=None, help="Fail the run above this.")
    add("--max-error-share", type=float, default=0.0, help="Fail the run above this share of errors, 0 to 1.")
    add("--min-requests-per-s", type=float, default=None, help="Fail the run below this.")


@events.init.add_listener
def choose_users(environment: Environment, **_: Any) -> None:
    """Select the closed-loop users of the API if no class is named."""
    if environment.parsed_options and not environment.parsed_options.user_classes:
        environment.user_classes = [SearchUser, EmbeddingsUser, AnswersUser, IngestUser]


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    """Log the thresholds that were not met, and set the exit code."""
    options = environment.parsed_options
    if options is None or getattr(options, "worker", False):
        return
    thresholds = Thresholds(options.max_p95_ms, options.max_p99_ms, options.max_error_share, options.min_requests_per_s)
    broken = thresholds.broken(environment.stats.total)
    for sentence in broken:
        print(f"threshold: {sentence}", flush=True)  # noqa: T201
    environment.process_exit_code = 1 if broken else 0


class Shape(LoadTestShape):
    """`--load-shape` over `--run-time`, with at most `--users`."""

    use_common_options: ClassVar[bool] = True

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users at this time, None at the end."""
        options = self.runner.environment.parsed_options
        peak = options.num_users or 1
        length, elapsed = options.run_time, self.get_run_time()
        if length and elapsed > length:
            return None
        share = elapsed / length if length else 1.0
        return users_at(options.load_shape, share, peak), options.spawn_rate or peak


class ApiUser(FastHttpUser):
    """A client with an API key."""

    abstract = True
    wait_time = constant(0)
    texts: Texts

    def on_start(self) -> None:
        """Read the texts, add the key to every request."""
        options = self.environment.parsed_options
        self.collection = options.collection
        self.texts = load_texts(options.queries, options.corpus)
        key = os.environ.get("PHOSERVE_KEY")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def send(self, path: str, body: dict[str, Any], name: str) -> None:
        """POST JSON. Any status except 2xx is an error."""
        self.client.post(path, json=body, headers=self.headers, name=name)


class SearchUser(ApiUser):
    """Searches in every mode, mostly hybrid."""

    weight = 6

    @task(6)
    def hybrid(self) -> None:
        self.search("hybrid")

    @task(1)
    def dense(self) -> None:
        self.search("dense")

    @task(1)
    def lexical(self) -> None:
        self.search("lexical")

    def search(self, mode: str) -> None:
        """Send one search that is not cached."""
        body = {"query": self.texts.query(), "mode": mode, "top_k": 10}
        self.send(f"/v1/collections/{self.collection}/search", body, f"search {mode}")


class EmbeddingsUser(ApiUser):
    """Embeds single queries and batches of passages, like the openai client."""

    weight = 3

    @tag("single")
    @task(4)
    def single(self) -> None:
        body = {"model": "phoserve", "input": self.texts.query(), "input_type": "query"}
        self.send("/v1/embeddings", body, "embeddings, one query")

    @tag("batch")
    @task(1)
    def batch(self) -> None:
        self.send("/v1/embeddings", {"model": "phoserve", "input": self.texts.batch()}, "embeddings, a batch")


class AnswersUser(ApiUser):
    """Requests answers, and pauses to read them."""

    weight = 1
    wait_time = between(1, 3)

    @task
    def ask(self) -> None:
        body = {"question": self.texts.query(), "stream": False}
        self.send(f"/v1/collections/{self.collection}/answers", body, "answers")


class IngestUser(ApiUser):
    """Adds documents to its own collection, which is deleted at the end."""

    weight = 1
    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        """Create the collection."""
        super().on_start()
        self.own = f"load-{uuid4().hex[:12]}"
        self.client.put(f"/v1/collections/{self.own}", json={}, headers=self.headers, name="collection, new")

    @task
    def add(self) -> None:
        documents = [{"id": uuid4().hex, "text": text} for text in self.texts.batch()]
        self.send(f"/v1/collections/{self.own}/documents", {"documents": documents}, "documents, added")

    def on_stop(self) -> None:
        """Delete the collection."""
        self.client.delete(f"/v1/collections/{self.own}", headers=self.headers, name="collection, deleted")


class ArrivalsUser(SearchUser):
    """Open loop: searches are sent on a schedule, and response times are measured from their scheduled time.

    A slow server cannot hide its queue by slowing down its users.
    """

    weight = 1

    @task
    def arrive(self) -> None:
        due = perf_counter()
        interval = 1 / self.environment.parsed_options.arrivals_per_s
        while True:
            gevent.sleep(max(0.0, due - perf_counter()))
            gevent.spawn(self.timed, due)
            due += interval

    def timed(self, due: float) -> None:
        """Send one search. Its delay behind the schedule counts as response time."""
        path = f"/v1/collections/{self.collection}/search"
        body = {"query": self.texts.query()}
        with self.client.post(
            path, json=body, headers=self.headers, name="search, open loop", catch_response=True
        ) as response:
            response.request_meta["response_time"] = (perf_counter() - due) * 1000


class TritonHttpUser(FastHttpUser):
    """A team that calls the shared endpoint over HTTP."""

    weight = 1
    wait_time = constant(0)

    def on_start(self) -> None:
        """Read the texts."""
        options = self.environment.parsed_options
        self.texts, self.base = load_texts(options.queries, options.corpus), options.triton_http

    @task
    def infer(self) -> None:
        text = {"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": [self.texts.query()]}
        headers = {"phoserve-key": TRITON_KEY} if TRITON_KEY else {}
        url = f"{self.base}/v2/models/{MODEL}/infer"
        self.client.post(url, json={"inputs": [text]}, headers=headers, name="Triton HTTP")


class TritonGrpcUser(User):
    """A team that calls the shared endpoint over gRPC."""

    weight = 1
    wait_time = constant(0)

    def on_start(self) -> None:
        """Connect."""
        options = self.environment.parsed_options
        self.texts = load_texts(options.queries, options.corpus)
        self.triton = triton_grpc.InferenceServerClient(options.triton_grpc)

    @task
    def infer(self) -> None:
        text = triton_grpc.InferInput("TEXT", [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[self.texts.query().encode()]], object))
        begun, error = perf_counter(), None
        try:
            self.triton.infer(MODEL, [text], headers=key_headers(TRITON_KEY))
        except Exception as raised:  # Locust counts every error
            error = raised
        spent = (perf_counter() - begun) * 1000
        self.environment.events.request.fire(
            request_type="gRPC", name="Triton gRPC", response_time=spent, response_length=0, exception=error
        )

    def on_stop(self) -> None:
        """Close the connection."""
        self.triton.close()

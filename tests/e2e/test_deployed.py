"""The processes as deployed: what the chart starts, with its flags and variables, ingests, searches and survives.

Two pods each of the API, the worker and Triton, and Redis, over a real Qdrant (`QDRANT_URL`) or the stand-in, and an
LLM outside the release whose answers stream for 13 seconds.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import httpx
import pytest

from tests.support.chart import merged, of_kind
from tests.support.cluster import Cluster
from tests.support.llm_process import running_llm
from tests.support.load import Load, Rotation
from tests.support.pod import Pod
from tests.support.postgres_server import running_postgres
from tests.support.qdrant_server import REAL_URL, QdrantServer, qdrant_server
from tests.support.waiting import wait_until

VALUES: Final[dict[str, Any]] = {
    "api": {"replicas": 2, "drainSeconds": 2, "autoscaling": {"engine": "none"}},
    "workers": {"interactive": {"replicas": 2}, "bulk": {"enabled": False}},
    "triton": {"cpu": {"replicas": 2}, "drainSeconds": 2},
    "reembed": {"enabled": True},
}
API, WORKER, TRITON, REDIS = (f"phoserve-{name}" for name in ("api", "worker-interactive", "triton-cpu", "redis"))
HEALTH_BY_PORT: Final = (API, TRITON)
"""Whose image asks a port whether it is well; a worker's asks for a file that changed of late."""
TOPICS: Final = ("Hà Nội là thủ đô của Việt Nam", "Phở bò nấu với quế và hồi", "Sông Mê Kông chảy ra Biển Đông")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with qdrant_server(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(store: QdrantServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_llm() as llm, running_postgres(tmp_path_factory.mktemp("postgres")) as postgres:
        values = merged(VALUES, {"llm": {"externalUrl": f"{llm}/v1", "model": "lasting"}})
        folder, registry_url = tmp_path_factory.mktemp("cluster"), postgres.new_database()
        with Cluster(folder, values, qdrant=store, registry_url=registry_url) as running:
            for client in running.clients():
                client.put("/v1/collections/kb", json={}).raise_for_status()
            yield running


def test_ingests_and_searches(cluster: Cluster) -> None:
    one, other = cluster.clients()
    names = post(one, "first", count=6)
    wait_until(lambda: states(other, names) == {"ready"}, timeout_s=60)
    for client in (one, other):
        assert "thủ đô" in search(client, "thủ đô của nước nào").json()["hits"][0]["text"]
    events = explained(one, 0).text
    assert "event: citation" in events
    assert "event: done" in events


def test_helm_test_passes(cluster: Cluster) -> None:
    (pod,) = of_kind(cluster.manifests, "Pod")
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["python", "-c"]
    script, url = container["args"]
    address = url.replace("phoserve-api", cluster.pods[API][0].address)
    outcome = subprocess.run([sys.executable, "-c", script, address], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_workers_show_that_they_live_and_what_they_do(cluster: Cluster) -> None:
    names = post(cluster.clients()[0], "measured", count=4)
    wait_until(lambda: states(cluster.clients()[0], names) == {"ready"}, timeout_s=60)
    for pod in cluster.pods[WORKER]:
        assert pod.is_alive()
        assert pod.docker_calls_it_well()
        metrics = httpx.get(f"http://127.0.0.1:{pod.metrics_port}/metrics").text
        assert "phoserve_" in metrics


def test_the_job_that_puts_a_model_in_charge(cluster: Cluster) -> None:
    """The model is already active here, and no other model has passages."""
    (job,) = of_kind(cluster.manifests, "Job")
    pod = cluster.new_pod(job["metadata"]["name"], "Job")
    pod.start()
    assert pod.wait_ended(60) == 0, pod.tail()
    last = json.loads(pod.tail(1))
    assert (last["event"], last["documents"]) == ("reembedded", 0)
    assert last["model"] == cluster.clients()[0].get("/health/ready").json()["fingerprint"]


@pytest.mark.parametrize("workload", [API, WORKER, TRITON])
def test_one_pod_of_two_killed(cluster: Cluster, workload: str) -> None:
    victim, survivor = cluster.pods[workload]
    names = post(cluster.clients()[1], f"killed-{workload}", count=20)
    if workload in HEALTH_BY_PORT:
        assert victim.docker_calls_it_well()
    victim.kill()
    if workload in HEALTH_BY_PORT:
        assert not victim.docker_calls_it_well()
    clients = [cluster.client(survivor)] if workload == API else cluster.clients()
    for client in clients:
        wait_until(partial(search_succeeds, client), timeout_s=15)
        for _ in range(10):
            assert search(client, "quế và hồi").is_success
    # A document that the victim held goes to another worker when its lease has run out.
    wait_until(lambda: states(clients[0], names) == {"ready"}, timeout_s=120)
    restarted(victim)


def test_redis_killed_loses_nothing(cluster: Cluster) -> None:
    (redis,), client = cluster.pods[REDIS], cluster.clients()[0]
    names = post(client, "before-redis", count=10)
    redis.kill()
    assert search(client, "Biển Đông").is_success
    for each in cluster.clients():
        wait_until(partial(queue_is_missed, each), timeout_s=15)
        assert readiness_is(each, 200), "Kubernetes would take every pod out of service"
    restarted(redis)
    names += post(client, "after-redis", count=5)
    wait_until(lambda: states(client, names) == {"ready"}, timeout_s=120)


@pytest.mark.skipif(bool(REAL_URL), reason="a Qdrant that somebody else runs is not killed")
def test_qdrant_killed_is_said_and_found_again(cluster: Cluster, store: QdrantServer) -> None:
    clients = cluster.clients()
    store.kill()
    for client in clients:
        assert search(client, "Biển Đông").status_code == 503
        wait_until(partial(readiness_is, client, 503), timeout_s=15)
        assert client.get("/health/live").is_success, "a restart would not help"
    store.start()
    for client in clients:
        wait_until(partial(readiness_is, client, 200), timeout_s=30)
        assert search(client, "Biển Đông").is_success
    names = post(clients[0], "after-qdrant", count=3)
    wait_until(lambda: states(clients[0], names) == {"ready"}, timeout_s=90)


def test_rolling_restart_under_load_fails_no_request(cluster: Cluster) -> None:
    clients = {pod.name: cluster.client(pod) for pod in cluster.pods[API]}
    rotation = Rotation(list(clients.values()))
    with Load(rotation, asked, embedded, explained, explained, posted) as load:
        for old in list(cluster.pods[API]):
            new = replacement(cluster, API)
            clients[new.name] = cluster.client(new)
            rotation.add(clients[new.name])
            # A Service removes a pod some time after its SIGTERM: here in the middle of its preStop pause.
            threading.Timer(1.0, rotation.remove, [clients[old.name]]).start()
            assert old.stop() == 0, old.tail()
            cluster.pods[API].remove(old)
        for old in list(cluster.pods[WORKER]):
            replacement(cluster, WORKER)
            assert old.stop() == 0, old.tail()
            cluster.pods[WORKER].remove(old)
    assert load.failures == []
    assert load.answered > 50
    client = cluster.clients()[0]
    wait_until(lambda: unfinished(client) == [], timeout_s=120)


def test_everything_ends_in_time_when_told_to(cluster: Cluster) -> None:
    for pods in cluster.pods.values():
        for pod in pods:
            assert pod.stop() == 0, f"{pod.name}: {pod.tail()}"


def replacement(cluster: Cluster, workload: str) -> Pod:
    """The pod that a rollout starts before it takes an old one away."""
    new = cluster.new_pod(workload)
    cluster.pods[workload].append(new)
    new.start()
    new.wait_ready()
    return new


def restarted(pod: Pod) -> None:
    """What the kubelet does when a container has ended."""
    pod.start()
    pod.wait_ready()


def search(client: httpx.Client, query: str) -> httpx.Response:
    return client.post("/v1/collections/kb/search", json={"query": query, "top_k": 3})


def search_succeeds(client: httpx.Client) -> bool:
    return search(client, "quế và hồi").is_success


def readiness_is(client: httpx.Client, status: int) -> bool:
    return client.get("/health/ready").status_code == status


def queue_is_missed(client: httpx.Client) -> bool:
    return not client.get("/health/ready").json()["dependencies"]["queue"]["ok"]


def asked(client: httpx.Client, number: int) -> httpx.Response:
    return search(client, f"{TOPICS[number % len(TOPICS)]} {number}")


def embedded(client: httpx.Client, number: int) -> httpx.Response:
    return client.post("/v1/embeddings", json={"model": "phoserve", "input": [f"câu {number}", TOPICS[0]]})


def explained(client: httpx.Client, number: int) -> httpx.Response:
    """A streamed answer, read to its end."""
    question = {"question": f"{TOPICS[number % len(TOPICS)]} phải không?", "stream": True}
    return client.post("/v1/collections/kb/answers", json=question)


def posted(client: httpx.Client, number: int) -> httpx.Response:
    return client.post("/v1/collections/kb/documents", json={"documents": documents(f"roll-{number}", 1)})


def post(client: httpx.Client, prefix: str, count: int) -> list[str]:
    """Send documents; returns their ids."""
    sent = documents(prefix, count)
    client.post("/v1/collections/kb/documents", json={"documents": sent}).raise_for_status()
    return [document["id"] for document in sent]


def documents(prefix: str, count: int) -> list[dict[str, str]]:
    return [
        {
            "id": f"{prefix}-{number}",
            "title": f"{prefix} {number}",
            "text": f"{TOPICS[number % len(TOPICS)]}. {number}.",
        }
        for number in range(count)
    ]


def states(client: httpx.Client, names: list[str]) -> set[str]:
    return {client.get(f"/v1/collections/kb/documents/{name}").json()["state"] for name in names}


def unfinished(client: httpx.Client) -> list[str]:
    listed = [
        client.get("/v1/collections/kb/documents", params={"state": state}).raise_for_status().json()
        for state in ("queued", "processing", "failed")
    ]
    return [document["id"] for page in listed for document in page["documents"]]

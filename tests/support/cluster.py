"""A release of the chart, run as processes on this machine (`tests.support.pod`)."""

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tests.support.chart import LEAST, SECRET, Manifest, merged, named, of_kind, render
from tests.support.patience import patient
from tests.support.pod import Pod
from tests.support.postgres_server import PASSWORD
from tests.support.qdrant_server import QdrantServer

SECRETS: Final = {
    "triton-admin": "t-s3cret",
    "triton-key": "t-k3y",
    "qdrant-api-key": "q-s3cret",
    "redis-password": "r-s3cret",
    "postgres-password": PASSWORD,
    "llm-api-key": "l-s3cret",
}
API_KEY: Final = "pho_of_the_deployed_processes"
# What starts before what asks for it; Kubernetes would restart the latter until then.
ORDER: Final = ("phoserve-redis", "phoserve-triton-cpu", "phoserve-api", "phoserve-worker-")


class Cluster:
    """The Deployments of a release, with a Qdrant server and a PostgreSQL database at `registry_url`."""

    def __init__(self, folder: Path, values: Mapping[str, Any], *, qdrant: QdrantServer, registry_url: str) -> None:
        store = {
            "qdrant": {"enabled": False, "externalUrl": qdrant.url},
            "settings": {"QDRANT__GRPC_PORT": str(qdrant.grpc_port)},
            # The password comes from the secret.
            "postgres": {"enabled": False, "externalUrl": registry_url.replace(f":{PASSWORD}@", "@")},
        }
        self.manifests = render(merged(LEAST, store, values))
        self.pods: dict[str, list[Pod]] = {}
        self._clients: dict[str, httpx.Client] = {}
        self._folder = folder
        self._addresses = _addresses()
        self._numbers = itertools.count()
        for workload in _in_order(of_kind(self.manifests, "Deployment")):
            name = workload["metadata"]["name"]
            self.pods[name] = [self.new_pod(name) for _ in range(workload["spec"].get("replicas", 1))]

    def new_pod(self, workload: str, kind: str = "Deployment") -> Pod:
        """One more pod of a Deployment or a Job, not started."""
        spec = named(self.manifests, kind, workload)["spec"]["template"]["spec"]
        number = next(self._numbers)
        address = next(self._addresses)
        folder = self._folder / f"{workload}-{number}"
        return Pod(
            folder.name,
            spec,
            address=address,
            folder=folder,
            volumes={volume["name"]: self._volume(volume, folder) for volume in spec.get("volumes", [])},
            names=self._names() | {"redis-cli": f"redis-cli -h {address}"},
            secrets=SECRETS,
        )

    def clients(self, workload: str = "phoserve-api") -> list[httpx.Client]:
        """The client of each pod of the API."""
        return [self.client(pod) for pod in self.pods[workload]]

    def client(self, pod: Pod) -> httpx.Client:
        """The client of one pod of the API, with a key; closed with the cluster."""
        if pod.name not in self._clients:
            url, headers = f"http://{pod.address}:8000", {"Authorization": f"Bearer {API_KEY}"}
            self._clients[pod.name] = httpx.Client(base_url=url, headers=headers, timeout=patient(30))
        return self._clients[pod.name]

    def __enter__(self) -> Self:
        try:
            for pods in self.pods.values():
                for pod in pods:
                    pod.start()
                for pod in pods:
                    pod.wait_ready()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def _kill(self) -> None:
        for client in self._clients.values():
            client.close()
        for pod in itertools.chain(*self.pods.values()):
            if pod.is_running:
                pod.kill()

    def _names(self) -> dict[str, str]:
        """What each name of a Service stands for: a headless one for all pods that there will be."""
        found: dict[str, str] = {}
        for workload, pods in self.pods.items():
            for service in of_kind(self.manifests, "Service"):
                if service["spec"]["selector"]["app.kubernetes.io/component"] == workload.removeprefix("phoserve-"):
                    name, port = service["metadata"]["name"], service["spec"]["ports"][0]["port"]
                    every = ",".join(f"{pod.address}:{port}" for pod in pods)
                    found |= {f"dns:///{name}:{port}": f"ipv4:{every}", f"{name}:{port}": every}
        return found

    def _volume(self, volume: Mapping[str, Any], pod_folder: Path) -> Path:
        """A folder of the pod's own, or of all pods, or files with secrets."""
        if "persistentVolumeClaim" in volume:
            folder = self._folder / str(volume["persistentVolumeClaim"]["claimName"])
        else:
            folder = pod_folder / str(volume["name"])
        folder.mkdir(parents=True, exist_ok=True)
        if "secret" in volume:
            assert volume["secret"]["secretName"] == SECRET
            (item,) = volume["secret"]["items"]
            digest = hashlib.sha256(API_KEY.encode()).hexdigest()
            (folder / item["path"]).write_text(json.dumps([{"id": "admin", "sha256": digest, "role": "admin"}]))
        return folder


def _in_order(workloads: list[Manifest]) -> list[Manifest]:
    names = [workload["metadata"]["name"] for workload in workloads]
    rank = {name: next(at for at, start in enumerate(ORDER) if name.startswith(start)) for name in names}
    return sorted(workloads, key=lambda workload: (rank[workload["metadata"]["name"]], workload["metadata"]["name"]))


def _addresses() -> Any:
    """Addresses on loopback that no other run on this machine uses."""
    pid = os.getpid()
    return (f"127.{1 + pid // 250 % 250}.{1 + pid % 250}.{number}" for number in itertools.count(1))

"""The two releases of docs/operations.md, "Switch the model": the second reaches Qdrant and volumes of the first."""

import re
from typing import Any

import pytest
import yaml

from tests.support.chart import ROOT, Manifest, merged, named, of_kind, pods, profile_values, render
from tests.support.kubernetes import VERSIONS, check
from tests.support.programs import settings_of

GREEN = "phoserve-green"


def block(name: str) -> dict[str, Any]:
    """The YAML of the page that begins with the file's name."""
    page = (ROOT / "docs" / "operations.md").read_text()
    (text,) = re.findall(rf"```yaml\n\s+# {name}\n(.*?)```", page, flags=re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture(scope="module")
def blue() -> list[Manifest]:
    return render(merged(profile_values("gpu"), block("mine.yaml")))


@pytest.fixture(scope="module")
def green() -> list[Manifest]:
    return render(merged(profile_values("gpu"), block("mine.yaml"), block("green.yaml")), release=GREEN)


def test_kubernetes_takes_both_and_no_name_is_taken_twice(blue: list[Manifest], green: list[Manifest]) -> None:
    for manifest in [*blue, *green]:
        check(manifest, VERSIONS[-1])
    names = [{(m["kind"], m["metadata"]["name"]) for m in each} for each in (blue, green)]
    assert not names[0] & names[1]


def test_the_page_installs_green_over_the_values_of_blue() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert f"helm install {GREEN} helm/phoserve --namespace search --values mine.yaml --values green.yaml" in page


def test_green_reaches_the_qdrant_and_the_claims_of_blue(
    blue: list[Manifest], green: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = {m["metadata"]["name"] for m in of_kind(blue, "PersistentVolumeClaim")}
    for name, pod in pods(green):
        for volume in pod["spec"].get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name
        for container in pod["spec"]["containers"]:
            if container["name"] in {"api", "worker", "reembed"}:
                settings = settings_of(container, monkeypatch)
                host = re.fullmatch(r"http://([\w-]+):6333", settings.qdrant.url)
                assert host is not None
                assert named(blue, "Service", host[1])["spec"]["selector"]
                assert GREEN in settings.triton.url, "the new model's own server"
                assert settings.model.folder.name == "NEW"


def test_the_policies_of_both_meet(blue: list[Manifest], green: list[Manifest]) -> None:
    qdrant = named(blue, "StatefulSet", "phoserve-qdrant")["spec"]["template"]["metadata"]["labels"]
    opened = named(blue, "NetworkPolicy", "phoserve-qdrant")["spec"]["ingress"][0]["from"]
    callers = ("api", "worker", "model-reembed")
    for policy in (named(green, "NetworkPolicy", f"{GREEN}-{part}") for part in ("api", "worker", "reembed")):
        ways = [rule for rule in policy["spec"]["egress"] if any(_selects(peer, qdrant) for peer in rule["to"])]
        assert {6333, 6334} <= {port["port"] for rule in ways for port in rule["ports"]}
    for _, pod in pods(green):
        labels = pod["metadata"]["labels"]
        if labels["app.kubernetes.io/component"].startswith(callers):
            assert any(_selects(peer, labels) for peer in opened)


def _selects(peer: dict[str, Any], labels: dict[str, str]) -> bool:
    selector = peer.get("podSelector")
    if selector is None:
        return False
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))

"""The variables that the chart renders, as the program reads them: all are taken and fit the rest of the release."""

import re
from typing import Any

import pytest
from helm_python.errors import HelmError

from cli.serving_loop import KEEP_ALIVE_S
from phoserve.errors import ConfigurationError
from phoserve.settings import PREFIX, LimitSettings
from tests.support.chart import LEAST, merged, named, of_kind, pods, profile_values, render
from tests.support.programs import ALL_VALUES, EVERYTHING, commands, settings_of

PROGRAMS = ("phoserve serve", "phoserve worker", "phoserve reembed")


@pytest.mark.parametrize("values", ALL_VALUES.values(), ids=ALL_VALUES)
def test_settings_are_taken(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for program in PROGRAMS:
        for container, _ in commands(program, values):
            settings = settings_of(container, monkeypatch)
            assert settings.triton.url.startswith("dns:///")
            assert settings.qdrant.api_key is not None
            assert settings.redis.url.get_secret_value().startswith("redis")


@pytest.mark.parametrize("values", ALL_VALUES.values(), ids=ALL_VALUES)
def test_no_variable_is_set_twice(values: dict[str, Any]) -> None:
    for program in PROGRAMS:
        for container, _ in commands(program, values):
            names = [variable["name"] for variable in container["env"]]
            assert len(names) == len(set(names))


def test_what_the_chart_sets_is_refused_among_the_settings() -> None:
    values = merged(ALL_VALUES["everything"], {"qdrant": {"replicas": 3}})
    own = {v["name"] for container, _ in commands("phoserve serve", values) for v in container["env"]}
    own |= {v["name"] for container, _ in commands("phoserve worker", values) for v in container["env"]}
    for name in {name.removeprefix(PREFIX) for name in own if name.startswith(PREFIX)} - EVERYTHING["settings"].keys():
        with pytest.raises(HelmError, match=rf"settings\.{name} is managed by the chart"):
            render(merged(LEAST, {"settings": {name: "x"}}))


@pytest.mark.parametrize("values", ALL_VALUES.values(), ids=ALL_VALUES)
def test_a_rollout_lets_every_answer_end(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    api = named(render(values), "Deployment", "phoserve-api")["spec"]["template"]["spec"]
    limits = settings_of(api["containers"][0], monkeypatch).limits
    pause_s = int(api["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert limits.answer_timeout_s <= limits.drain_s <= api["terminationGracePeriodSeconds"] - pause_s - 5


def test_the_load_balancer_waits_for_answers_and_hangs_up_first() -> None:
    (ingress,) = of_kind(render(profile_values("eks")), "Ingress")
    attributes = " ".join(ingress["metadata"]["annotations"].values())
    idle_s = int(re.findall(r"idle_timeout\.timeout_seconds=(\d+)", attributes)[0])
    draining_s = int(re.findall(r"deregistration_delay\.timeout_seconds=(\d+)", attributes)[0])
    assert LimitSettings().answer_timeout_s < idle_s < KEEP_ALIVE_S
    assert LimitSettings().answer_timeout_s < draining_s


@pytest.mark.parametrize("values", ALL_VALUES.values(), ids=ALL_VALUES)
def test_every_collection_outlives_a_peer(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = render(values)
    peers = named(manifests, "StatefulSet", "phoserve-qdrant")["spec"]["replicas"]
    for _, pod in pods(manifests):
        for container in pod["spec"]["containers"]:
            if container["name"] in {"api", "worker"}:
                qdrant = settings_of(container, monkeypatch).qdrant
                assert qdrant.shards >= peers, "a peer would have nothing to do"
                majority = qdrant.replicas // 2 + 1
                assert majority <= qdrant.replicas - 1 < peers if peers > 1 else qdrant.replicas == 1


def test_copies_and_shards_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"qdrant": {"replicas": 5, "collections": {"shards": 10, "copies": 2}}}
    ((container, _),) = commands("phoserve serve", merged(LEAST, chosen))
    qdrant = settings_of(container, monkeypatch).qdrant
    assert (qdrant.shards, qdrant.replicas) == (10, 2)


def test_a_setting_that_there_is_not_stops_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    values = merged(LEAST, {"settings": {"LIMITS__MAX_INFLIGHT": 1}})
    ((container, _),) = commands("phoserve serve", values)
    with pytest.raises(ConfigurationError, match="PHOSERVE_LIMITS__MAX_INFLIGHT: unknown setting"):
        settings_of(container, monkeypatch)

"""What the chart starts in its pods, in every profile: programs, their arguments and their settings."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest

from phoserve.settings import PREFIX, Settings, load_settings
from tests.support.chart import LEAST, PROFILES, Manifest, containers, merged, pods, profile_values, render
from tests.support.dockerfile import entrypoint

RERANKER: Final = {"name": "reranker", "source": "team/reranker", "revision": "b" * 40}
EVERYTHING: Final[dict[str, dict[str, Any]]] = {
    "settings": {"LIMITS__MAX_IN_FLIGHT": 128, "LLM__MAX_TOKENS": 512},
    "llm": {"enabled": True},
    "reembed": {"enabled": True},
    "loadtest": {"enabled": True, "userClasses": ["SearchUser"]},
    "monitoring": {"otlpEndpoint": "http://otel.monitoring:4318/v1/traces"},
    "model": {
        "source": "volume",
        "export": {"enabled": True, "revision": "a" * 40},
        "plan": {"enabled": True},
        "reranker": RERANKER,
    },
    "triton": {"gpu": {"enabled": True, "profile": "tensorrt"}},
}
ALL_VALUES: Final[dict[str, dict[str, Any]]] = {name: profile_values(name) for name in PROFILES} | {
    "everything": merged(LEAST, EVERYTHING)
}


@cache
def rendered() -> list[list[Manifest]]:
    """All the profiles."""
    return [render(values) for values in ALL_VALUES.values()]


def commands(program: str, values: dict[str, Any] | None = None) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each container that starts `program`, in all the profiles or with those values, and what it is given."""
    for manifests in [render(values)] if values else rendered():
        for _, pod in pods(manifests):
            for container in containers(pod):
                name = container["image"].rsplit("/", 1)[-1].partition(":")[0]
                words = [*(container.get("command") or entrypoint(name)), *container.get("args", [])]
                if 'exec phoserve "$@"' in " ".join(words[:3]):
                    words = ["phoserve", *words[4:]]
                if " ".join(words).startswith(program):
                    yield container, words[len(program.split()) :]


def settings_of(container: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the program reads from the container's environment."""
    with monkeypatch.context() as patch:
        for variable in container["env"]:
            if variable["name"].startswith(PREFIX):
                patch.setenv(variable["name"], variable.get("value", "secret"))
        return load_settings()

"""A bad value stops the install with a message that names it and the fix."""

from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.support.chart import LEAST, merged, profile_values, render

INGRESS = {"api": {"ingress": {"enabled": True, "host": "a.example.com", "tlsSecretName": "tls"}}}
VOLUME = {"model": {"source": "volume"}}
SEMANTIC: list[tuple[dict[str, Any], str]] = [
    (merged(INGRESS, {"secrets": {"name": ""}}), "without API keys. Create a Secret"),
    ({"secrets": {"name": ""}}, "secrets.name is empty. Create a Secret"),
    ({"api": {"ingress": {"enabled": True}}}, "set api.ingress.host"),
    (
        {"api": {"ingress": {"enabled": True, "host": "a"}}},
        "keys would be sent unencrypted: set api.ingress.tlsSecretName",
    ),
    ({"api": {"httpRoute": {"enabled": True}}}, "set api.httpRoute.parentRefs"),
    (merged(VOLUME, {"triton": {"gpu": {"enabled": True, "gpu": {"count": 0}}}}), "set triton.gpu.gpu.count to 1"),
    (
        merged(VOLUME, {"triton": {"gpu": {"enabled": True, "gpu": {"resource": "gpu"}}}}),
        "must be a resource that the node offers",
    ),
    ({"triton": {"gpu": {"enabled": True}}}, "set model.source to volume or image"),
    ({"triton": {"cpu": {"enabled": False}}}, "Enable one"),
    (merged(VOLUME, {"triton": {"gpu": {"enabled": True, "profile": "tensorrt"}}}), "set model.plan.enabled"),
    ({"model": {"plan": {"enabled": True}}}, "model.plan needs triton.gpu.enabled"),
    ({"model": {"export": {"enabled": True}}}, "set model.source to volume"),
    ({"model": {"reranker": {"name": "r"}}}, "model.reranker is a folder on the model volume: set model.source"),
    (
        merged(VOLUME, {"model": {"reranker": {"name": "r"}, "export": {"enabled": True}}}),
        "set model.reranker.source",
    ),
    ({"model": {"source": "image"}}, "set model.image.reference"),
    ({"qdrant": {"enabled": False}}, "set qdrant.externalUrl"),
    ({"qdrant": {"externalUrl": "http://q:6333"}}, "set qdrant.enabled to false"),
    ({"qdrant": {"replicas": 2}}, "use 1 or at least 3"),
    ({"qdrant": {"collections": {"copies": 2}}}, "copies is 2, but there are 1 peers"),
    ({"settings": {"QDRANT__SHARDS": 6}}, "set qdrant.collections.shards instead"),
    ({"settings": {"LIMITS__DRAIN_S": 5}}, "set api.terminationGracePeriodSeconds instead"),
    ({"api": {"terminationGracePeriodSeconds": 75}}, "set api.terminationGracePeriodSeconds to 135 or more"),
    ({"settings": {"LIMITS__ANSWER_TIMEOUT_S": 600}}, "set api.terminationGracePeriodSeconds to 615 or more"),
    ({"postgres": {"enabled": False}}, "set postgres.externalUrl"),
    ({"postgres": {"externalUrl": "postgresql://u:secret@db/n"}}, "the password comes from the secret"),
    ({"postgres": {"ca": {"secret": "a", "configMap": "b"}}}, "choose one"),
    ({"settings": {"REGISTRY__URL": "postgresql://h/n"}}, "set postgres.externalUrl instead"),
    (
        {"backup": {"enabled": True}, "sources": {"url": "gs://bucket/originals", "volume": {"enabled": False}}},
        "set backup.enabled to false",
    ),
    ({"redis": {"enabled": False}}, "set redis.externalUrl"),
    ({"redis": {"enabled": False, "externalUrl": "redis://:secret@r:6379/0"}}, "the password comes from the secret"),
    ({"llm": {"enabled": True, "externalUrl": "http://l/v1"}}, "choose one LLM"),
    ({"sources": {"volume": {"enabled": False}}}, "originals would be lost"),
    ({"sources": {"url": "file:///elsewhere"}}, "file:///originals"),
    ({"sources": {"url": "s3://bucket/x"}}, "sources.volume.enabled is true: set it to false"),
    ({"api": {"autoscaling": {"minReplicas": 9, "maxReplicas": 3}}}, "is above maxReplicas (3)"),
    (
        {"llm": {"externalUrl": "http://llm.ai:8080/v1"}, "networkPolicy": {"external": {"cidrs": []}}},
        "http://llm.ai:8080/v1 is outside this release, and the network policies allow no egress",
    ),
    ({"workers": {"bulk": {"autoscaling": {"minReplicas": 99}}}}, "workers.bulk.autoscaling.minReplicas (99)"),
]
SCHEMA: list[tuple[dict[str, Any], str]] = [
    ({"api": {"replcas": 3}}, "at '/api': additional properties 'replcas' not allowed"),
    ({"triton": {"gpuu": {}}}, "additional properties 'gpuu' not allowed"),
    ({"tritonn": {}}, "additional properties 'tritonn' not allowed"),
    ({"api": {"replicas": "three"}}, "at '/api/replicas': got string, want integer"),
    ({"qdrant": {"enabled": "yes"}}, "at '/qdrant/enabled': got string, want boolean"),
    ({"image": {"tag": "latest"}}, "at '/image/tag'"),
    ({"qdrant": {"image": {"tag": "latest"}}}, "at '/qdrant/image/tag'"),
    ({"triton": {"cpu": {"profile": "gpu"}}}, "at '/triton/cpu/profile'"),
    ({"triton": {"gpu": {"gpu": {"count": "1"}}}}, "at '/triton/gpu/gpu/count': got string, want integer"),
    ({"api": {"resources": {"limits": {"memory": "1GB"}}}}, "at '/api/resources/limits/memory'"),
    ({"api": {"resources": {"requests": None}}}, "requests"),
    ({"loadtest": {"runTime": "5 minutes"}}, "at '/loadtest/runTime'"),
    ({"settings": {"limits.max": 3}}, "'limits.max' does not match pattern"),
    ({"sources": {"url": "/data"}}, "at '/sources/url'"),
    ({"api": {"autoscaling": {"engine": "vpa"}}}, "at '/api/autoscaling/engine'"),
    ({"networkPolicy": {"egress": [{"ports": []}]}}, "missing property 'to'"),
    ({"networkPolicy": {"apiFrom": [{}]}}, "at '/networkPolicy/apiFrom/0'"),
]


@pytest.mark.parametrize(("values", "sentence"), SEMANTIC, ids=[sentence for _, sentence in SEMANTIC])
def test_values_that_cannot_work_together(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(merged(LEAST, values))
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("values", "sentence"), SCHEMA, ids=[sentence for _, sentence in SCHEMA])
def test_typos_and_wrong_types(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(merged(LEAST, values))
    assert sentence in str(refused.value)


def test_a_profile_alone_asks_for_the_secret() -> None:
    with pytest.raises(HelmError, match=r"secrets\.name"):
        render(merged(profile_values("small"), {"secrets": {"name": ""}}))

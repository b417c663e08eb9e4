"""Kubernetes's own schemas of its objects, and narrow ones of the operators' objects that the chart makes."""

from functools import cache
from typing import Any, Final

import jsonschema
import kubernetes_validate
from kubernetes_validate import utils

VERSIONS: Final = ("1.31", "1.34", "1.37")

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}


def _only(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_SELECTOR: Final = _only({"matchLabels": {"type": "object"}, "matchExpressions": {"type": "array"}})
_CREDENTIALS: Final = _only({"type": _TEXT, "credentials": _only({"name": _TEXT, "key": _TEXT}, "name", "key")})
_ENDPOINTS: Final = {
    "type": "array",
    "minItems": 1,
    "items": _only(
        {"port": _TEXT, "path": _TEXT, "interval": _TEXT, "authorization": _CREDENTIALS}, "port", "path", "interval"
    ),
}
_RULE: Final = _only(
    {"alert": _TEXT, "expr": _TEXT, "for": _TEXT, "labels": {"type": "object"}, "annotations": {"type": "object"}},
    "alert",
    "expr",
    "labels",
    "annotations",
)
# Every value of a trigger's metadata is a string, or KEDA refuses it.
_TRIGGER: Final = _only(
    {
        "type": {"enum": ["cpu", "redis", "prometheus"]},
        "metricType": {"enum": ["Utilization", "AverageValue", "Value"]},
        "metadata": {"type": "object", "additionalProperties": _TEXT},
        "authenticationRef": _only({"name": _TEXT}, "name"),
    },
    "type",
    "metadata",
)
OPERATORS: Final = {
    "monitoring.coreos.com/v1/ServiceMonitor": _only({"selector": _SELECTOR, "endpoints": _ENDPOINTS}, "endpoints"),
    "monitoring.coreos.com/v1/PodMonitor": _only(
        {"selector": _SELECTOR, "podMetricsEndpoints": _ENDPOINTS}, "podMetricsEndpoints"
    ),
    "monitoring.coreos.com/v1/PrometheusRule": _only(
        {"groups": {"type": "array", "items": _only({"name": _TEXT, "rules": {"type": "array", "items": _RULE}})}},
        "groups",
    ),
    "keda.sh/v1alpha1/ScaledObject": _only(
        {
            "scaleTargetRef": _only({"name": _TEXT}, "name"),
            "pollingInterval": _COUNT,
            "cooldownPeriod": _COUNT,
            "minReplicaCount": _COUNT,
            "maxReplicaCount": _COUNT,
            "fallback": _only({"failureThreshold": _COUNT, "replicas": _COUNT}, "failureThreshold", "replicas"),
            "advanced": {"type": "object"},
            "triggers": {"type": "array", "minItems": 1, "items": _TRIGGER},
        },
        "scaleTargetRef",
        "triggers",
    ),
    "keda.sh/v1alpha1/TriggerAuthentication": _only(
        {"secretTargetRef": {"type": "array", "items": _only({"parameter": _TEXT, "name": _TEXT, "key": _TEXT})}}
    ),
    "gateway.networking.k8s.io/v1/HTTPRoute": _only(
        {
            "parentRefs": {"type": "array", "minItems": 1},
            "hostnames": {"type": "array", "minItems": 1, "items": _TEXT},
            "rules": {"type": "array", "minItems": 1},
        },
        "parentRefs",
        "rules",
    ),
}


def check(manifest: dict[str, Any], version: str) -> None:
    """Raise ValidationError unless Kubernetes of that version takes the manifest, with no unknown field in it."""
    operator = OPERATORS.get(f"{manifest['apiVersion']}/{manifest['kind']}")
    if operator is not None:
        jsonschema.validate(manifest["spec"], operator)
        return
    utils.schema_contents = _schema  # the package reads 2 MB of JSON for every manifest
    kubernetes_validate.validate(manifest, version, strict=True)


_read = utils.schema_contents


@cache
def _schema(filename: str, version: str) -> Any:
    return _read(filename, version)

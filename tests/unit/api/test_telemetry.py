"""Every request's id, metrics and trace, and the security headers of the console."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.app import create_app
from tests.support.services import memory_services

Client = TestClient[Litestar]
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with TestClient(create_app(memory_services(tmp_path))) as client:
        client.put("/v1/collections/kb").raise_for_status()
        yield client


def test_an_id_is_made_up_or_kept(client: Client) -> None:
    assert len(client.get("/health/live").headers["X-Request-Id"]) == 32
    kept = client.get("/v1/collections/none", headers={"X-Request-Id": "from-the-gateway:7"})
    assert kept.headers["X-Request-Id"] == kept.json()["request_id"] == "from-the-gateway:7"
    replaced = client.get("/health/live", headers={"X-Request-Id": "a b" * 100})
    assert len(replaced.headers["X-Request-Id"]) == 32


def test_metrics_count_by_route_not_by_path(client: Client) -> None:
    for path in ("/v1/collections/kb", "/v1/collections/secret-name", "/no/such/path"):
        client.get(path)
    client.post("/v1/collections/kb/search", json={"query": "nghỉ phép"})
    client.post("/v1/embeddings", json={"input": "a b"})
    text = client.get("/metrics").text
    assert 'route="/v1/collections/{collection}",status="404"' in text
    assert 'route="unmatched",status="404"' in text
    assert 'phoserve_stage_duration_seconds_count{stage="embed"} 1.0' in text
    assert 'phoserve_tokens_total{kind="embedding"} 4.0' in text
    assert "secret-name" not in text
    assert "/no/such/path" not in text


def test_the_same_query_is_embedded_once(client: Client) -> None:
    for offset in (0, 10):
        client.post("/v1/collections/kb/search", json={"query": "nghỉ phép", "offset": offset})
    text = client.get("/metrics").text
    assert 'phoserve_query_cache_lookups{outcome="hit"} 1.0' in text
    assert 'phoserve_query_cache_lookups{outcome="miss"} 1.0' in text


def test_a_trace_goes_from_the_caller_to_the_stages(client: Client, spans: InMemorySpanExporter) -> None:
    spans.clear()
    traceparent = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
    client.post("/v1/collections/kb/search", json={"query": "nghỉ"}, headers={"traceparent": traceparent})
    by_name = {span.name: span for span in spans.get_finished_spans()}
    request = by_name["POST /v1/collections/{collection}/search"]
    assert {"phoserve.embed", "phoserve.search_dense", "phoserve.search_lexical"} <= by_name.keys()
    assert all(span.context is not None and f"{span.context.trace_id:032x}" == TRACE_ID for span in by_name.values())
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200


def test_the_page_allows_nothing_that_is_not_ours(client: Client) -> None:
    page = client.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get("/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/console/..%2fapp.py").status_code == 404
    assert "<script>" not in page.text
    assert "style=" not in page.text

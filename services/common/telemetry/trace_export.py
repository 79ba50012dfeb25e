"""How spans leave the process; the packages of the extra `traces`."""

import os
from collections.abc import Sequence
from urllib.parse import urlparse

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from convscope.services.common.errors import TracesUnusable


class WithinCalls(Sampler):
    """Drops what the store is asked outside any call: looks for work that go on for ever are no trace of anything."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(  # noqa: PLR0917  # as the SDK calls it
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if kind is SpanKind.CLIENT and not parent.is_valid:
            return SamplingResult(Decision.DROP)
        return self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"WithinCalls({self._sampler.get_description()})"


def start_export(endpoint: str, service: str) -> None:
    """Raises TracesUnusable for an address that is none."""
    address = urlparse(endpoint)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise TracesUnusable(f"traces_endpoint must be http://host:port or https://host:port, not {endpoint!r}")
    os.environ.setdefault("OTEL_SERVICE_NAME", service)
    provider = TracerProvider()
    provider.sampler = WithinCalls(provider.sampler)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=address.scheme == "http")))
    trace.set_tracer_provider(provider)
    RedisInstrumentor().instrument()

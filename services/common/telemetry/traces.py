"""Traces: what one call did, and how long each part took, in every process that worked for it.

The code says it in any case; it is recorded and sent only where `configure_traces` was told of a collector.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from convscope.services.common.errors import TracesUnusable

TRACER = trace.get_tracer("convscope")
CARRIER = "traceparent"
_NANO = 1e9


def configure_traces(endpoint: str, service: str) -> None:
    """Send spans to an OTLP collector (gRPC), http://host:port; empty: record none.

    What OTEL_* variables say of the sampler, headers and resource holds. Raises TracesUnusable where the packages are
    not installed or the address is none.
    """
    if not endpoint:
        return
    try:
        from convscope.services.common.telemetry.trace_export import start_export
    except ImportError as error:
        raise TracesUnusable(f"traces_endpoint needs the packages of convscope[traces]: {error}") from error
    start_export(endpoint, service)


def end_traces() -> None:
    """Send what is left; before the process ends."""
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        flush()


def begin_call(method: str, metadata: Sequence[tuple[str, str | bytes]], correlation_id: str) -> Span:
    """The span of a call that came in, within the caller's where it sent one; the current one of this thread from now
    on, until it takes its next call (see `begin_correlation`)."""
    sent = {name: value for name, value in metadata if isinstance(value, str)}
    service, _, rpc = method.strip("/").rpartition("/")
    span = TRACER.start_span(
        method.strip("/"),
        propagate.extract(sent, Context()),
        SpanKind.SERVER,
        {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc, "convscope.correlation_id": correlation_id},
    )
    contexts.attach(trace.set_span_in_context(span, Context()))
    return span


def end_call(span: Span, code: str) -> None:
    """code: name of the status that the call ended with."""
    if span.is_recording():
        span.set_attribute("rpc.grpc.status", code)
        if code in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS"):
            span.set_status(Status(StatusCode.ERROR, code))
    span.end()


def carried() -> str:
    """What a record carries of the current span to whoever goes on with the work; empty for none."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get(CARRIER, "")


@contextmanager
def span(
    name: str, role: SpanKind = SpanKind.INTERNAL, *, within: str | None = None, **attributes: Any
) -> Iterator[Span]:
    """A part of what is being done. within: what `carried` gave; None: the current span."""
    parent = None if within is None else propagate.extract({CARRIER: within}, Context())
    with TRACER.start_as_current_span(name, parent, role, _named(attributes)) as begun:
        yield begun


def tell_span(name: str, parent: Context, begun: float, ended: float, **attributes: Any) -> None:
    """A part that is over, of what another thread does. begun, ended: by time.monotonic()."""
    since = time.time() - time.monotonic()
    begun, ended = begun + since, ended + since
    if trace.get_current_span(parent).is_recording():
        TRACER.start_span(name, parent, attributes=_named(attributes), start_time=int(begun * _NANO)).end(
            int(ended * _NANO)
        )


def current_context() -> Context:
    """What another thread needs to tell spans within the current one."""
    return contexts.get_current()


def add_trace(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """A log line's trace, where there is one."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        event["trace_id"] = trace.format_trace_id(current.trace_id)
    return event


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"convscope.{name}": value for name, value in attributes.items()}

"""What Prometheus sees of every server."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server

from convscope.services.common.ports import PortTaken
from convscope.services.common.telemetry.gpus import GpuCollector

REGISTRY = CollectorRegistry()

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

CALLS = Counter("convscope_calls", "Calls, by what came of them", ["rpc", "code"], registry=REGISTRY)
CALL_SECONDS = Histogram(
    "convscope_call_seconds", "Time from a call's arrival to its answer", ["rpc"], buckets=_SECONDS, registry=REGISTRY
)
CALLS_RUNNING = Gauge("convscope_calls_running", "Calls that have arrived and have no answer yet", registry=REGISTRY)
REFUSED = Counter("convscope_refused", "Calls refused because the server was full", registry=REGISTRY)
SERVING = Gauge("convscope_serving", "1 while health says SERVING", registry=REGISTRY)


REGISTRY.register(GpuCollector())
ProcessCollector(registry=REGISTRY)


def serve_metrics(host: str, port: int) -> None:
    """Serve /metrics. Raises PortTaken."""
    try:
        start_http_server(port, host, REGISTRY)
    except OSError as error:
        raise PortTaken(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error

"""One trace of what a call did, through every process that worked for it."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from convscope.v1.model_service_pb2 import ListModelsRequest
from convscope.v1.model_service_pb2_grpc import ModelServiceStub
from tests.processes import ServerProcess, wait_until
from tests.telemetry.cluster import MODEL, ObservedCluster, lines, observed_cluster, picture
from tests.telemetry.collector import Collector, Told, collecting

STREAM = "convscope.v1.AttributionService/AttributeStream"
ATTRIBUTE = "convscope.v1.AttributionService/Attribute"
VISUALIZE = "convscope.v1.SynthesisService/VisualizeClass"
WORK = "carry out visualize_class"


@pytest.fixture(scope="module")
def collector_and_address() -> Iterator[tuple[Collector, str]]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def collector(collector_and_address: tuple[Collector, str]) -> Collector:
    return collector_and_address[0]


@pytest.fixture(scope="module")
def traced(
    collector_and_address: tuple[Collector, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObservedCluster]:
    with pytest.MonkeyPatch.context() as patch:
        # Spans leave at once, and not every five seconds.
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        folder = tmp_path_factory.mktemp("traced")
        with observed_cluster(folder, traces_endpoint=collector_and_address[1]) as cluster:
            yield cluster


class Traced:
    """The caller's own span, within which it calls."""

    def __init__(self) -> None:
        self.trace, self.span = secrets.randbits(128), secrets.randbits(64)
        context = SpanContext(self.trace, self.span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        self._within = trace.use_span(NonRecordingSpan(context))

    def __enter__(self) -> "Traced":
        self._within.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._within.__exit__(None, None, None)

    @property
    def id(self) -> str:
        return f"{self.trace:032x}"


def one(spans: list[Told], name: str) -> Told:
    (found,) = [span for span in spans if span.name == name]
    return found


def whole(collector: Collector, id: str, names: set[str]) -> list[Told]:
    """The spans of a trace, once those of these names are there."""
    wait_until(lambda: names <= {span.name for span in collector.of(id)}, f"{names} in the trace", 20)
    return collector.of(id)


def test_an_attribution_is_part_of_its_callers_trace(traced: ObservedCluster, collector: Collector) -> None:
    with Traced() as caller:
        traced.ask()
    spans = whole(collector, caller.id, {ATTRIBUTE, "decode", "queue", "compute"})
    call = one(spans, ATTRIBUTE)
    assert call.service == "convscope serve attribution"
    assert call.parent == f"{caller.span:016x}"
    assert call.attribute("rpc.grpc.status") == "OK"
    for name in ("decode", "queue", "compute"):
        part = one(spans, name)
        assert part.parent == call.id
        assert call.span.start_time_unix_nano - 1e6 <= part.span.start_time_unix_nano
        assert part.span.end_time_unix_nano <= call.span.end_time_unix_nano + 1e6
    computed = one(spans, "compute")
    assert computed.attribute("convscope.method") == "saliency"
    assert computed.attribute("convscope.model") == MODEL
    assert computed.seconds > 0


def test_each_request_of_a_stream_is_part_of_its_trace(traced: ObservedCluster, collector: Collector) -> None:
    pictures = [picture(number) for number in (901, 902, 903)]
    with Traced() as caller:
        assert len(list(traced.client.attribute_many(pictures, model=MODEL, method="saliency", target=1))) == 3
    spans = whole(collector, caller.id, {STREAM, "compute"})
    wait_until(lambda: len([one for one in collector.of(caller.id) if one.name == "compute"]) == 3, "three passes")
    call = one(spans, STREAM)
    assert {span.parent for span in collector.of(caller.id) if span.name in ("decode", "compute")} == {call.id}


def test_a_job_is_one_trace_from_its_call_through_the_store_to_the_engine(
    traced: ObservedCluster, collector: Collector
) -> None:
    with Traced() as caller:
        id = traced.jobs.visualize(model=MODEL, steps=60)
    traced.jobs.wait_for_end(id)
    spans = whole(collector, caller.id, {VISUALIZE, "queue", WORK, "begin", "load model", "steps", "leave"})
    call, queued, work = one(spans, VISUALIZE), one(spans, "queue"), one(spans, WORK)
    assert (call.service, work.service) == ("convscope serve jobs", "convscope worker")
    assert call.parent == f"{caller.span:016x}"
    assert queued.parent == call.id
    assert work.parent == queued.id
    assert work.attribute("convscope.job") == id
    assert work.attribute("convscope.outcome") == "succeeded"
    for name in ("begin", "steps", "leave"):
        assert one(spans, name).parent == work.id
    assert one(spans, "load model").parent == one(spans, "begin").id
    # What the store is asked: by redis-py's own instrumentation, and Celery's message among it.
    asked = [span for span in spans if span.parent == queued.id and span.name in ("EVALSHA", "EVAL")]
    assert asked
    assert all(span.service == "convscope serve jobs" for span in asked)
    assert [span for span in spans if span.name == "LPUSH" and span.service == "convscope serve jobs"]


def test_nothing_is_told_of_looks_for_work_that_go_on_for_ever(traced: ObservedCluster, collector: Collector) -> None:
    traced.jobs.wait_for_end(traced.jobs.visualize(model=MODEL, steps=3))
    roots = {span.name for span in collector.told if not span.parent}
    assert all("/" in name or name == WORK for name in roots), roots


def test_who_does_not_trace_gets_a_trace_of_its_own(traced: ObservedCluster, collector: Collector) -> None:
    before = {span.trace for span in collector.told}
    traced.ask()

    def new() -> set[str]:
        return {span.trace for span in collector.told if span.name == ATTRIBUTE} - before

    wait_until(lambda: len(new()) == 1, "the new trace")
    (id,) = new()
    assert not one(whole(collector, id, {ATTRIBUTE, "compute"}), ATTRIBUTE).parent


def test_log_lines_name_their_trace(traced: ObservedCluster, collector: Collector) -> None:
    with Traced() as caller:
        id = traced.jobs.visualize(model=MODEL, steps=3)
    traced.jobs.wait_for_end(id)

    def found(process: ServerProcess) -> list[str]:
        return [line["event"] for line in lines(process) if line.get("trace_id") == caller.id]

    wait_until(lambda: "call" in found(traced.jobs.server), "the server's lines")
    wait_until(lambda: {"begins", "finished"} <= set(found(traced.worker)), "the worker's lines")


@pytest.mark.parametrize("sent", ["", "rubbish", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_broken_traceparent_harms_nobody(sent: str, traced: ObservedCluster) -> None:
    with grpc.insecure_channel(traced.attribution.address) as channel:
        ModelServiceStub(channel).ListModels(ListModelsRequest(), timeout=30, metadata=(("traceparent", sent),))


def test_a_collector_that_is_away_holds_nobody_up(tmp_path: Path) -> None:
    with observed_cluster(tmp_path, traces_endpoint="http://127.0.0.1:9") as cluster:
        cluster.ask()
        job = cluster.jobs.wait_for_end(cluster.jobs.visualize(model=MODEL, steps=3), timeout=20)
        assert job.state == "succeeded"


@pytest.mark.parametrize("endpoint", ["collector:4317", "ftp://collector", "http://"])
def test_an_address_that_is_none_is_said_at_the_start(endpoint: str) -> None:
    server = ServerProcess(models="", traces_endpoint=endpoint)
    assert server.wait_until_ended() == 1
    assert "traces_endpoint" in server.log[-1]

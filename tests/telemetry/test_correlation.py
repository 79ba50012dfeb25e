"""One name for a call in every log line that it causes: its client's, its server's, its worker's."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from convscope.client import ClientError, InvalidArgument, NotFound, correlated
from convscope.v1.model_service_pb2 import GetModelRequest, ListModelsRequest
from convscope.v1.model_service_pb2_grpc import ModelServiceStub
from tests.processes import wait_until
from tests.telemetry.cluster import MODEL, ObservedCluster, lines, lines_of, picture

HEADER = "x-request-id"
SECONDS = 30


def told(cluster: ObservedCluster, process: str, correlation_id: str, count: int = 1) -> list[str]:
    """The events of the lines of a call, once there are so many."""
    wait_until(lambda: len(lines_of(cluster.processes[process], correlation_id)) >= count, f"{count} lines", 20)
    return [line["event"] for line in lines_of(cluster.processes[process], correlation_id)]


def trailing(cluster: ObservedCluster, *metadata: tuple[str, str]) -> str:
    """The name that the server says a call has."""
    with grpc.insecure_channel(cluster.attribution.address) as channel:
        _, call = ModelServiceStub(channel).ListModels.with_call(
            ListModelsRequest(), timeout=SECONDS, metadata=metadata
        )
        return str(dict(call.trailing_metadata())[HEADER])


def test_a_call_is_logged_under_the_name_that_its_caller_gave(cluster: ObservedCluster) -> None:
    with correlated("order-7/a"):
        cluster.ask()
    assert told(cluster, "attribution", "order-7/a") == ["call"]
    (line,) = lines_of(cluster.attribution, "order-7/a")
    assert (line["rpc"], line["code"], line["level"]) == ("Attribute", "OK", "info")
    assert 0 < line["seconds"] < SECONDS


def test_calls_that_say_nothing_get_a_name_each(cluster: ObservedCluster) -> None:
    before = {line.get("correlation_id") for line in lines(cluster.attribution)}
    cluster.ask()
    cluster.ask()

    def new() -> set[object]:
        return {line.get("correlation_id") for line in lines(cluster.attribution)} - before

    wait_until(lambda: len(new()) == 2, "two names")


@pytest.mark.parametrize("name", ["a", "7f3c-00", "A" * 128, "svc/x@y.z:1=+_"])
def test_a_name_that_is_fit_is_kept_and_sent_back(name: str, cluster: ObservedCluster) -> None:
    assert trailing(cluster, (HEADER, name)) == name


@pytest.mark.parametrize("name", ["", "A" * 129, "two words", '{"level":"error"}', "-x"])
def test_a_name_that_could_forge_a_line_is_replaced(name: str, cluster: ObservedCluster) -> None:
    given = trailing(cluster, (HEADER, name))
    assert given != name
    assert len(given) == 32
    with pytest.raises(InvalidArgument) as caught, correlated(name):
        pytest.fail("never reached")
    assert caught.value.field == "correlation_id"


def test_without_any_name_the_server_makes_one(cluster: ObservedCluster) -> None:
    names = {trailing(cluster) for _ in range(3)}
    assert len(names) == 3
    for name in names:
        assert told(cluster, "attribution", name) == ["call"]


def test_an_error_says_under_which_name_it_is_found(cluster: ObservedCluster) -> None:
    with pytest.raises(NotFound) as caught:
        cluster.client.model("nothing")
    name = caught.value.correlation_id
    assert told(cluster, "attribution", name) == ["call"]
    (line,) = lines_of(cluster.attribution, name)
    assert (line["rpc"], line["code"]) == ("GetModel", "NOT_FOUND")


def test_a_caller_of_another_language_finds_it_in_the_status(cluster: ObservedCluster) -> None:
    with grpc.insecure_channel(cluster.attribution.address) as channel, pytest.raises(grpc.RpcError) as caught:
        ModelServiceStub(channel).GetModel(
            GetModelRequest(name="models/nothing"), timeout=SECONDS, metadata=((HEADER, "from-go"),)
        )
    info = error_details_pb2.RequestInfo()
    (_,) = [detail for detail in rpc_status.from_call(caught.value).details if detail.Unpack(info)]
    assert info.request_id == "from-go"


def test_a_failure_within_a_stream_has_the_streams_name(cluster: ObservedCluster) -> None:
    with correlated("bulk-1"):
        outcomes = list(
            cluster.client.attribute_many([picture(1), b"no picture"], model=MODEL, method="saliency", target=1)
        )
    (error,) = [outcome for outcome in outcomes if isinstance(outcome, ClientError)]
    assert error.correlation_id == "bulk-1"
    assert told(cluster, "attribution", "bulk-1") == ["call"]


def test_an_error_where_nobody_answered_has_the_name_that_was_sent() -> None:
    from convscope.client import Client

    with Client.connect("127.0.0.1:1") as client, correlated("to-nobody"), pytest.raises(ClientError) as caught:
        client.models(timeout=1)
    assert caught.value.correlation_id == "to-nobody"


def test_many_at_once_keep_their_names_apart(cluster: ObservedCluster) -> None:
    def ask(number: int) -> None:
        with correlated(f"crowd-{number}"):
            if number % 3:
                cluster.ask()
            else:
                with pytest.raises(NotFound):
                    cluster.client.model(f"nothing-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(48)))
    for number in range(48):
        assert told(cluster, "attribution", f"crowd-{number}") == ["call"]
        (line,) = lines_of(cluster.attribution, f"crowd-{number}")
        assert line["rpc"] == ("Attribute" if number % 3 else "GetModel")


def test_a_job_takes_its_callers_name_to_the_worker(cluster: ObservedCluster) -> None:
    with correlated("nightly-42"):
        id = cluster.jobs.visualize(model=MODEL, steps=5)
    cluster.jobs.wait_for_end(id)
    assert cluster.jobs.client.job(f"jobs/{id}").info().correlation_id == "nightly-42"
    assert told(cluster, "jobs", "nightly-42", 2) == ["accepted", "call"]
    worked = told(cluster, "worker", "nightly-42", 2)
    assert (worked[0], worked[-1]) == ("begins", "finished")
    assert {line["job"] for line in lines_of(cluster.worker, "nightly-42")} == {id}


def test_a_name_ends_with_its_job(cluster: ObservedCluster) -> None:
    for name in ("first", "second"):
        with correlated(name):
            cluster.jobs.wait_for_end(cluster.jobs.visualize(model=MODEL, steps=3))
        wait_until(lambda name=name: "finished" in told(cluster, "worker", name), "the end")  # type: ignore[misc]
    for line in lines(cluster.worker):
        if line["event"] in ("begins", "finished"):
            assert line["correlation_id"]
    of_both = [line for line in lines(cluster.worker) if line.get("correlation_id") in ("first", "second")]
    order = [line["correlation_id"] for line in of_both]
    assert order == sorted(order)


def test_a_job_that_is_handed_in_again_keeps_its_first_name(cluster: ObservedCluster) -> None:
    ids = []
    for name in ("once", "again"):
        with correlated(name):
            ids.append(cluster.jobs.visualize(model=MODEL, steps=3, request_id="the-same"))
    assert ids[0] == ids[1]
    assert cluster.jobs.job(ids[0]).correlation_id == "once"
    assert "accepted" in told(cluster, "jobs", "again")


def test_every_line_of_every_process_is_json_with_its_time_and_level(cluster: ObservedCluster) -> None:
    cluster.ask()
    for process in cluster.processes.values():
        found = lines(process)  # raises for a line that is none
        assert found
        assert all({"event", "level", "timestamp"} <= line.keys() for line in found)

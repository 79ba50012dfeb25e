"""A stream answers every request by its id, and whoever leaves it early leaves nothing behind."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from convscope.client.tensors import to_array
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeStreamRequest
from convscope.v1.image_pb2 import Image
from convscope.v1.method_pb2 import Method
from tests.processes import ServerProcess, wait_until
from tests.services.calls import SECONDS, Refusal, Stubs, calling, refusal
from tests.services.held import TeamServer, assert_same, cursed, entry, question, team_server
from tests.services.pictures import noise, to_file


def asked(number: int, model: str = "guarded") -> AttributeStreamRequest:
    return AttributeStreamRequest(id=f"picture {number}", request=question(number, model))


def running(server: ServerProcess) -> float:
    return server.metric("convscope_calls_running")


def wait_until_idle(team: TeamServer) -> None:
    wait_until(lambda: running(team.process) == 0, "the server to be done with every call")
    wait_until(lambda: team.queued() == 0, "the queue to be empty")


class Requests:
    """Requests without end, which counts how many of them were taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.ended = threading.Event()

    def __iter__(self) -> Iterator[AttributeStreamRequest]:
        while not self.ended.is_set():
            self.taken += 1
            yield asked(self.taken % 50)


def test_two_hundred_pictures_good_and_bad_get_each_its_own_answer(stubs: Stubs) -> None:
    pictures = [to_file(noise(300, 200, seed), "JPEG") for seed in range(8)]

    def request(data: bytes) -> AttributeRequest:
        return AttributeRequest(
            model="models/efficientnet_lite0", image=Image(encoded=data), method=Method(grad_cam={"relu": False})
        )

    lone = [stubs.attribute(request(data), timeout=SECONDS) for data in pictures]
    bad = {
        3: (request(b""), ("INVALID_ARGUMENT", "IMAGE_UNDECODABLE", "image.encoded")),
        50: (request(pictures[0][:500]), ("INVALID_ARGUMENT", "IMAGE_UNDECODABLE", "image.encoded")),
        51: (AttributeRequest(), ("INVALID_ARGUMENT", "MODEL_MISSING", "model")),
        120: (AttributeRequest(model="models/nothing"), ("NOT_FOUND", "UNKNOWN_MODEL", "model")),
        199: (AttributeRequest(model="models/resnet50"), ("FAILED_PRECONDITION", "MODEL_NOT_LOADED", "model")),
    }
    requests = (
        AttributeStreamRequest(
            id=str(number), request=bad[number][0] if number in bad else request(pictures[number % 8])
        )
        for number in range(200)
    )
    found = list(stubs.attribute_stream(requests, timeout=SECONDS))
    by_number = {int(response.id): response for response in found}
    assert len(found) == 200
    assert sorted(by_number) == list(range(200))
    for number, response in by_number.items():
        if number in bad:
            refused = Refusal.of_status(response.error)
            assert (refused.code, refused.reason, refused.field) == bad[number][1]
            assert refused.domain == "convscope"
            continue
        assert response.WhichOneof("result") == "response", response.error.message
        values, expected = to_array(response.response.attribution), to_array(lone[number % 8].attribution)
        np.testing.assert_allclose(values, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_a_request_at_which_the_network_raises_fails_alone_and_the_stream_goes_on(team: TeamServer) -> None:
    lone = {number: team.ask(number) for number in (1, 2)}
    bad = AttributeStreamRequest(id="cursed", request=cursed(3))
    requests = iter([asked(1), bad, asked(2)])
    found = {one.id: one for one in team.stubs.attribute_stream(requests, timeout=SECONDS)}
    assert_same(found["picture 1"].response, lone[1])
    assert_same(found["picture 2"].response, lone[2])
    refused = Refusal.of_status(found["cursed"].error)
    assert (refused.code, refused.reason, refused.domain) == ("INTERNAL", "INTERNAL", "convscope")
    assert "cursed" not in refused.message


def test_an_answer_comes_when_it_is_done_and_waits_for_no_other(team: TeamServer) -> None:
    more = threading.Event()

    def requests() -> Iterator[AttributeStreamRequest]:
        yield asked(1)
        assert more.wait(SECONDS)
        yield asked(2)

    found = team.stubs.attribute_stream(requests(), timeout=SECONDS)
    assert next(found).id == "picture 1"
    more.set()
    assert next(found).id == "picture 2"
    assert list(found) == []


def test_requests_of_one_stream_go_through_the_model_together(team: TeamServer) -> None:
    with team.held() as held:
        passes = team.passes()
        found = team.stubs.attribute_stream(iter([asked(number) for number in range(10)]), timeout=SECONDS)
        team.wait_until_queued(10)
        held.release()
        assert len(list(found)) == 10
    assert team.passes() == passes + 1


def test_an_id_may_come_twice_or_be_empty(team: TeamServer) -> None:
    requests = [AttributeStreamRequest(id=name, request=question(1)) for name in ("", "twice", "twice")]
    found = [response.id for response in team.stubs.attribute_stream(iter(requests), timeout=SECONDS)]
    assert sorted(found) == ["", "twice", "twice"]


def test_an_empty_stream_ends_well(team: TeamServer) -> None:
    assert list(team.stubs.attribute_stream(iter(()), timeout=SECONDS)) == []


def test_a_stream_that_is_cancelled_half_way_leaves_nothing_behind(team: TeamServer) -> None:
    lone = team.ask(1)
    requests = Requests()
    stream = team.stubs.attribute_stream(iter(requests), timeout=SECONDS)
    for _ in range(100):
        assert next(stream).WhichOneof("result") == "response"
    assert running(team.process) == 1
    stream.cancel()
    requests.ended.set()
    wait_until_idle(team)
    assert_same(team.ask(1), lone)
    assert team.process.metric("convscope_calls_total", rpc="AttributeStream", code="CANCELLED") >= 1


def test_a_stream_that_is_cancelled_while_its_requests_wait_costs_no_pass(team: TeamServer) -> None:
    lone = team.ask(1)
    dropped = team.process.metric("convscope_dropped_total", model="guarded")
    with team.held() as held:
        pictures = team.pictures()
        stream = team.stubs.attribute_stream(iter([asked(number) for number in range(10)]), timeout=SECONDS)
        team.wait_until_queued(10)
        stream.cancel()
        wait_until(lambda: running(team.process) == 1, "the stream to end; the held call is left")
        held.release()
    wait_until_idle(team)
    assert team.pictures() == pictures
    assert team.process.metric("convscope_dropped_total", model="guarded") == dropped + 10
    assert_same(team.ask(1), lone)


def test_a_stream_whose_deadline_passes_leaves_nothing_behind(team: TeamServer) -> None:
    with team.held():
        stream = team.stubs.attribute_stream(iter([asked(1)]), timeout=0.3)
        try:
            # The server's clock may be a little ahead: then the request gets its own status.
            codes = {Refusal.of_status(response.error).code for response in stream}
        except grpc.RpcError as error:
            codes = {error.code().name}
        assert codes == {"DEADLINE_EXCEEDED"}
        wait_until(lambda: running(team.process) == 1, "the stream to end; the held call is left")
    wait_until_idle(team)


def test_a_caller_that_reads_nothing_and_goes_leaves_nothing_behind(team: TeamServer) -> None:
    lone = team.ask(1)
    requests = Requests()
    stream = team.stubs.attribute_stream(iter(requests), timeout=SECONDS)
    answered = team.process.metric("convscope_answers_total")
    wait_until(lambda: team.process.metric("convscope_answers_total") > answered + 5, "some answers that nobody reads")
    stream.cancel()
    requests.ended.set()
    wait_until_idle(team)
    assert_same(team.ask(1), lone)


def test_a_caller_that_does_not_read_is_not_worked_for_without_end(server: ServerProcess) -> None:
    image = Image(encoded=to_file(noise(32, 32)))
    shallow = Method(grad_cam={"layer": "layer1"})
    request = AttributeRequest(model="models/resnet18_seeded", image=image, method=shallow, heatmap=True)
    count = 120
    requests = (AttributeStreamRequest(id=str(number), request=request) for number in range(count))
    before = server.metric("convscope_answers_total")
    # Left alone, gRPC widens a connection's window by what it has seen of its bandwidth, up to all of these answers.
    with calling(server.address, ("grpc.http2.bdp_probe", 0)) as reader, calling(server.address) as beside:
        asked_beside = 0
        stream = reader.attribute_stream(requests, timeout=SECONDS)

        def unread() -> float:
            return server.metric("convscope_answers_total") - before - asked_beside

        def stands_still() -> bool:
            """Whether none of the stream's answers is made while twenty other calls are answered."""
            nonlocal asked_beside
            seen = unread()
            for _ in range(20):
                beside.attribute(request, timeout=SECONDS)
                asked_beside += 1
            return unread() == seen

        wait_until(stands_still, "the server to wait for its reader", timeout=SECONDS)
        made = unread()
        assert len(list(stream)) == count
    # The requests that are in work at once, and what fits into the windows of the connection.
    assert made < 80, "answers that nobody reads pile up in the server"


def test_a_stream_goes_on_when_its_reader_pauses(team: TeamServer) -> None:
    stream = team.stubs.attribute_stream(iter([asked(number) for number in range(100)]), timeout=SECONDS)
    names = {next(stream).id}
    assert team.ask(1).attribution.data
    names |= {response.id for response in stream}
    assert len(names) == 100


def test_who_sends_rubbish_on_a_stream_is_told_and_keeps_nobody(tmp_path: Path) -> None:
    def as_they_are(data: bytes) -> bytes:
        return data

    streams = (
        "/convscope.v1.AttributionService/AttributeStream",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    )
    with team_server(tmp_path, entry("guarded", gates="{gates}"), drain_grace=1) as team:
        for stream in streams:
            rubbish = team.stubs.channel.stream_stream(
                stream, request_serializer=as_they_are, response_deserializer=as_they_are
            )
            # gRPC itself may lose count of such a call, now and then.
            for _ in range(150):
                found = refusal(lambda: list(rubbish(iter([b"\xff" * 100]), timeout=SECONDS)))  # noqa: B023
                assert found.code in {"INTERNAL", "INVALID_ARGUMENT"}
        wait_until_idle(team)
        assert team.ask(1).attribution.data
        try:
            assert team.process.stop(15) == 0
        except subprocess.TimeoutExpired:
            team.process.kill()
            pytest.fail("still there long after the grace of a second")

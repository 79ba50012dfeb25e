"""Any bytes, as a message, as metadata or as a connection, get an answer of the contract, and the servers go on."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from convscope.v1.attribution_service_pb2 import ClassifyRequest
from convscope.v1.image_pb2 import Image
from convscope.v1.job_service_pb2 import ListJobsRequest
from tests.fuzz.cluster import AUTHORIZED, PNG, TOKEN, Cluster, Target
from tests.fuzz.contract import Rpc
from tests.fuzz.effort import inputs
from tests.fuzz.messages import Messages
from tests.fuzz.requests import hints
from tests.fuzz.tally import TALLY
from tests.fuzz.values import RARELY
from tests.fuzz.verdict import assert_as_before, look
from tests.fuzz.wire import rubbish, serialized

COMPRESSIONS = (grpc.Compression.Gzip, grpc.Compression.Deflate)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
OTHERS = (
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(64), b"\0" * 100,
    b"\xff" * 1000, b"A" * 70_000, PREFACE[:10], b"SSH-2.0-x\r\n", b"*1\r\n$4\r\nPING\r\n",
)  # fmt: skip
PATIENCE = 0.05


@pytest.fixture(scope="package")
def writing(fuzzed: Cluster) -> Callable[[Rpc], st.SearchStrategy[bytes]]:
    """Messages of an RPC, most of them damaged."""
    messages = Messages(hints(fuzzed))
    return lambda rpc: serialized(messages.of(rpc.request))


def draw_rpc(data: st.DataObject, cluster: Cluster) -> tuple[Target, Rpc]:
    found = [(target, rpc) for target in cluster.targets.values() for rpc in target.rpcs]
    return data.draw(st.sampled_from(found))


def send(cluster: Cluster, target: Target, rpc: Rpc, requests: list[bytes], counted_as: str, **more: Any) -> None:
    with TALLY.counted(counted_as):
        outcome = target.send(rpc, requests, **more)
    look(cluster, target, rpc, outcome, counted_as=counted_as)


@inputs(few=400, share=0.1)
@given(data=st.data())
def test_rubbish_as_any_message(data: st.DataObject, fuzzed: Cluster) -> None:
    target, rpc = draw_rpc(data, fuzzed)
    requests = data.draw(st.lists(rubbish(), min_size=not rpc.takes_stream, max_size=4 if rpc.takes_stream else 1))
    send(fuzzed, target, rpc, requests, "rubbish")


@inputs(few=500, share=0.13)
@given(data=st.data())
def test_damaged_messages_of_any_rpc(
    data: st.DataObject, fuzzed: Cluster, writing: Callable[[Rpc], st.SearchStrategy[bytes]]
) -> None:
    target, rpc = draw_rpc(data, fuzzed)
    requests = data.draw(st.lists(writing(rpc), min_size=1, max_size=4 if rpc.takes_stream else 1))
    compression = data.draw(st.sampled_from(COMPRESSIONS)) if data.draw(RARELY) else None
    send(fuzzed, target, rpc, requests, "damaged messages", compression=compression)


KEYS = ("authorization", "x-request-id", "grpc-timeout-x", "x-odd-bin", "te", "user-agent", "x" * 300, "traceparent")
VALUES = (
    "", " ", "Bearer", "Bearer ", f"Bearer {TOKEN} ", f"bearer {TOKEN}", f"Basic {TOKEN}", "Bearer " + "x" * 5000,
    "x" * 7000, "~" * 129, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-zz-zz-zz", "../../x", "{}", "%00",
)  # fmt: skip


@inputs(few=200, share=0.02)
@given(data=st.data())
def test_any_metadata(data: st.DataObject, fuzzed: Cluster) -> None:
    # What the client would not send itself is left out.
    printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)
    pair = st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES) | printable)
    pairs = [
        (key, value.encode() + b"\xff\0" if key.endswith("-bin") else value)
        for key, value in data.draw(st.lists(pair, max_size=4))
    ]
    metadata = [*AUTHORIZED, *pairs] if data.draw(st.booleans()) else pairs
    if data.draw(st.booleans()):
        target, name = fuzzed.attribution, "Classify"
        request: Message = ClassifyRequest(model="models/small", image=Image(encoded=PNG))
    else:
        target, name, request = fuzzed.jobs, "ListJobs", ListJobsRequest(page_size=2)
    rpc = target.rpc(name)
    with TALLY.counted("metadata"):
        outcome = target.send(rpc, [request.SerializeToString()], metadata=metadata)
    # gRPC itself refuses more than it holds.
    more = ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED")
    look(fuzzed, target, rpc, outcome, counted_as="metadata", more=more)


@st.composite
def streams(draw: Callable[..., Any]) -> bytes:
    """What a connection begins with: HTTP/2 with odd frames, or something else."""
    if draw(st.booleans()):
        return draw(st.sampled_from(OTHERS) | st.binary(max_size=200))  # type: ignore[no-any-return]
    found: bytes = PREFACE + draw(st.sampled_from([SETTINGS, b"", SETTINGS + SETTINGS]))
    for _ in range(draw(st.integers(0, 5))):
        body = draw(st.binary(max_size=40))
        length = draw(st.sampled_from([0, 2**14, 2**24 - 1])) if draw(RARELY) else len(body)
        kind, flags = draw(st.tuples(st.integers(0, 12), st.integers(0, 255)))
        number = draw(st.sampled_from([0, 1, 2, 3, 2**31 - 1, 2**32 - 1]))
        found += length.to_bytes(3, "big") + bytes((kind, flags)) + number.to_bytes(4, "big") + body
    return found


@inputs(few=60, share=0.01)
@given(data=st.data(), sent=streams())
def test_any_connection(data: st.DataObject, sent: bytes, fuzzed: Cluster) -> None:
    target = data.draw(st.sampled_from([fuzzed.attribution, fuzzed.jobs]))
    host, _, port = target.process.address.rpartition(":")
    with (
        TALLY.counted("connections"),
        suppress(ConnectionError, TimeoutError),
        socket.create_connection((host, int(port)), timeout=5) as connection,
    ):
        connection.settimeout(PATIENCE)
        connection.sendall(sent)
        while connection.recv(65_536):
            pass
    fuzzed.assert_alive()
    TALLY.note("connections", "lived")


def test_the_servers_are_as_they_were(fuzzed: Cluster) -> None:
    assert_as_before(fuzzed)

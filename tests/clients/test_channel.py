"""The way to a cluster: what is tried again, how a server that comes back is found, token, encryption, sizes."""

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_status import rpc_status

from convscope.client import (
    AsyncClient,
    Client,
    ClientError,
    DeadlineExceeded,
    ResourceExhausted,
    ServerFault,
    Unavailable,
)
from convscope.client.channel import Tls
from convscope.services.common.errors import ServerStopping, to_status
from convscope.v1.attribution_service_pb2 import ClassifyResponse
from convscope.v1.prediction_pb2 import Prediction
from tests.clients.stand_in import StandIn, refuse, standing_in
from tests.processes import free_port, wait_until

OPENSSL = shutil.which("openssl")
ATTEMPTS = 5
NOT_REACHED = (Unavailable, DeadlineExceeded)
BUSY = grpc.StatusCode.RESOURCE_EXHAUSTED


@dataclass(frozen=True)
class Identity:
    """A certificate that vouches for itself, and its key."""

    certificate: Path
    key: Path


@pytest.fixture
def make_identity(tmp_path: Path) -> Callable[[str], Identity]:
    """Makes one for localhost and 127.0.0.1."""

    def make(name: str) -> Identity:
        identity = Identity(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files = ["-keyout", str(identity.key), "-out", str(identity.certificate)]
        subprocess.run(command + names + files, check=True, capture_output=True)
        return identity

    return make


def test_unavailable_is_tried_again_until_the_server_answers() -> None:
    stand_in = StandIn(answer=refuse(grpc.StatusCode.UNAVAILABLE, times=3))
    with standing_in(stand_in) as server, Client.connect(server.address) as client:
        assert len(client.classify(b"a picture", model="any")) == 0
        assert server.calls == 4


def test_after_five_attempts_unavailable_is_told() -> None:
    stand_in = StandIn(answer=refuse(grpc.StatusCode.UNAVAILABLE, "going away"))
    with standing_in(stand_in) as server, Client.connect(server.address) as client:
        with pytest.raises(Unavailable, match="going away"):
            client.classify(b"a picture", model="any")
        assert server.calls == ATTEMPTS


def test_the_deadline_is_that_of_all_attempts_together() -> None:
    stand_in = StandIn(answer=refuse(grpc.StatusCode.UNAVAILABLE))
    started = time.monotonic()
    with standing_in(stand_in) as server, Client.connect(server.address, timeout=0.5) as client:
        with pytest.raises((DeadlineExceeded, Unavailable)):
            client.classify(b"a picture", model="any")
        assert time.monotonic() - started < 2
        assert server.calls < ATTEMPTS


@pytest.mark.parametrize(("code", "error"), [(grpc.StatusCode.INTERNAL, ServerFault), (BUSY, ResourceExhausted)])
def test_nothing_else_is_tried_again(code: grpc.StatusCode, error: type[ClientError]) -> None:
    with standing_in(StandIn(answer=refuse(code))) as server, Client.connect(server.address) as client:
        with pytest.raises(error):
            client.classify(b"a picture", model="any")
        assert server.calls == 1


def test_a_large_picture_is_tried_again_like_a_small_one() -> None:
    stand_in = StandIn(answer=refuse(grpc.StatusCode.UNAVAILABLE, times=2))
    with standing_in(stand_in) as server, Client.connect(server.address) as client:
        assert len(client.classify(bytes(3_000_000), model="any")) == 0
        assert server.calls == 3


def test_a_call_that_a_stopping_server_sends_away_is_tried_for_longer_than_grpc_does() -> None:
    def stopping(call: int, context: grpc.ServicerContext) -> ClassifyResponse:
        if call <= ATTEMPTS + 1:
            context.abort_with_status(rpc_status.to_status(to_status(ServerStopping("the server is stopping"))))
        return ClassifyResponse()

    with standing_in(StandIn(answer=stopping)) as server, Client.connect(server.address) as client:
        assert len(client.classify(b"a picture", model="any")) == 0
        assert server.calls == ATTEMPTS + 2


def test_a_call_that_a_stopped_server_lets_go_is_tried_again() -> None:
    stand_in = StandIn(answer=refuse(grpc.StatusCode.CANCELLED, times=2))
    with standing_in(stand_in) as server, Client.connect(server.address) as client:
        assert len(client.classify(b"a picture", model="any")) == 0
        assert server.calls == 3


async def test_both_clients_try_again_what_was_sent_away() -> None:
    stand_in = StandIn(answer=refuse(grpc.StatusCode.CANCELLED, times=2))
    with standing_in(stand_in) as server:
        async with AsyncClient.connect(server.address) as client:
            assert len(await client.classify(b"a picture", model="any")) == 0
        assert server.calls == 3


def test_a_server_that_comes_back_is_found_on_its_port() -> None:
    with standing_in(StandIn()) as first, Client.connect(first.address) as client:
        assert len(client.classify(b"a picture", model="any")) == 0
        first.stop()
        with pytest.raises(Unavailable, match=first.address):
            client.classify(b"a picture", model="any")
        with standing_in(StandIn(), address=first.address) as second:
            assert len(client.classify(b"a picture", model="any")) == 0
            assert (first.calls, second.calls) == (1, 1)


def test_a_client_may_be_made_before_its_server() -> None:
    address = f"127.0.0.1:{free_port()}"
    with Client.connect(address) as client:
        with pytest.raises(Unavailable):
            client.models()
        with standing_in(StandIn(), address=address):
            assert client.models() == []


def test_the_token_goes_with_every_call() -> None:
    seen: list[str] = []

    def note(call: int, context: grpc.ServicerContext) -> ClassifyResponse:
        sent = dict(context.invocation_metadata())
        seen.append(str(sent.get("authorization", "none")))
        return ClassifyResponse()

    with standing_in(StandIn(answer=note)) as server:
        for token in ("a token", None):
            with Client.connect(server.address, token=token) as client:
                client.classify(b"a picture", model="any")
    assert seen == ["Bearer a token", "none"]


def test_a_response_may_be_larger_than_grpcs_own_limit() -> None:
    label = "x" * 9_000_000

    def large(call: int, context: grpc.ServicerContext) -> ClassifyResponse:
        return ClassifyResponse(predictions=[Prediction(label=label)])

    with standing_in(StandIn(answer=large)) as server, Client.connect(server.address) as client:
        assert client.classify(b"a picture", model="any")[0].label == label


@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")
def test_calls_are_encrypted_for_a_server_that_the_client_trusts(make_identity: Callable[[str], Identity]) -> None:
    ours, other = make_identity("ours"), make_identity("other")
    credentials = grpc.ssl_server_credentials([(ours.key.read_bytes(), ours.certificate.read_bytes())])
    with standing_in(StandIn(), credentials=credentials) as server:
        with Client.connect(server.address, tls=Tls(ca=ours.certificate)) as client:
            assert len(client.classify(b"a picture", model="any")) == 0
        for tls in (Tls(ca=str(other.certificate)), None):
            with Client.connect(server.address, tls=tls) as client, pytest.raises(NOT_REACHED):
                client.classify(b"a picture", model="any", timeout=1)
        assert server.calls == 1


@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")
def test_a_client_shows_its_own_certificate_where_the_server_asks(make_identity: Callable[[str], Identity]) -> None:
    ours, callers = make_identity("ours"), make_identity("callers")
    credentials = grpc.ssl_server_credentials(
        [(ours.key.read_bytes(), ours.certificate.read_bytes())],
        root_certificates=callers.certificate.read_bytes(),
        require_client_auth=True,
    )
    with standing_in(StandIn(), credentials=credentials) as server:
        shown = Tls(ca=ours.certificate, certificate=callers.certificate, key=callers.key)
        with Client.connect(server.address, tls=shown) as client:
            assert len(client.classify(b"a picture", model="any")) == 0
        hidden = Tls(ca=ours.certificate)
        with Client.connect(server.address, tls=hidden) as client, pytest.raises(NOT_REACHED):
            client.classify(b"a picture", model="any", timeout=1)
        assert server.calls == 1


def test_a_certificate_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.pem"):
        Client.connect("localhost:1", tls=Tls(ca=tmp_path / "missing.pem"))


def test_many_clients_leave_nothing_open() -> None:
    with standing_in(StandIn()) as server:
        open_before = open_files()
        for _ in range(20):
            with Client.connect(server.address) as client:
                client.classify(b"a picture", model="any")
        wait_until(lambda: open_files() <= open_before + 2, "the connections of closed clients are gone")


def open_files() -> int:
    """How many files and sockets this process holds (Linux; 0 elsewhere)."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0

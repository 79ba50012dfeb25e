"""Who may call: a token, encryption, certificates of callers; and nothing is open by mistake."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from convscope.client import Client, PermissionDenied
from convscope.client.channel import Tls
from convscope.v1.attribution_service_pb2 import AttributeStreamRequest, ClassifyRequest
from convscope.v1.model_service_pb2 import ListModelsRequest, LoadModelRequest, UnloadModelRequest
from tests.certificates import Certificates, make_certificates
from tests.processes import JobsProcess, ServerProcess
from tests.services.calls import SECONDS, SERVING, Stubs, calling, refusal
from tests.services.held import entry, networks_on_path, question, team_server
from tests.services.starts import assert_cannot_start
from tests.web.served import WebProcess

TOKEN = "open sesame"
Metadata = tuple[tuple[str, str], ...]
SMALL = entry("guarded", gates="{gates}")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a token, from a file that ends with a line break as editors leave it."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "token").write_text(TOKEN + "\n")
    with team_server(folder, SMALL, token_file=folder / "token") as team:
        yield team.process


@pytest.fixture
def without_token(guarded: ServerProcess) -> Iterator[Stubs]:
    with calling(guarded.address) as stubs:
        yield stubs


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


CALLS: dict[str, Callable[[Stubs, Metadata], object]] = {
    "Attribute": lambda stubs, metadata: stubs.attribute(question(1), timeout=SECONDS, metadata=metadata),
    "AttributeStream": lambda stubs, metadata: list(
        stubs.attribute_stream(iter([AttributeStreamRequest(request=question(1))]), timeout=SECONDS, metadata=metadata)
    ),
    "Classify": lambda stubs, metadata: stubs.classify(
        ClassifyRequest(model=question(1).model, image=question(1).image), timeout=SECONDS, metadata=metadata
    ),
    "ListModels": lambda stubs, metadata: stubs.list_models(ListModelsRequest(), timeout=SECONDS, metadata=metadata),
    "LoadModel": lambda stubs, metadata: stubs.load_model(
        LoadModelRequest(name="models/guarded"), timeout=SECONDS, metadata=metadata
    ),
}


@pytest.mark.parametrize("rpc", CALLS)
@pytest.mark.parametrize(
    "metadata",
    [
        (),
        bearer(""),
        bearer("open sesam"),
        bearer(TOKEN + "!"),
        bearer(TOKEN.upper()),
        (("authorization", TOKEN),),
        (("authorization", f"Basic {TOKEN}"),),
        (("token", TOKEN),),
    ],
    ids=["none", "empty", "too short", "too long", "capitals", "bare", "basic", "elsewhere"],
)
def test_a_call_without_the_token_is_refused(metadata: Metadata, rpc: str, without_token: Stubs) -> None:
    found = refusal(lambda: CALLS[rpc](without_token, metadata))
    assert (found.code, found.reason, found.domain) == ("UNAUTHENTICATED", "TOKEN_INVALID", "convscope")
    assert TOKEN not in found.message


@pytest.mark.parametrize("rpc", CALLS)
def test_a_call_with_the_token_is_answered(rpc: str, without_token: Stubs) -> None:
    assert CALLS[rpc](without_token, bearer(TOKEN))


def test_a_refused_unload_unloads_nothing(without_token: Stubs) -> None:
    request = UnloadModelRequest(name="models/guarded")
    assert refusal(lambda: without_token.unload_model(request, timeout=SECONDS)).code == "UNAUTHENTICATED"
    assert CALLS["Attribute"](without_token, bearer(TOKEN))


def test_health_needs_no_token(without_token: Stubs) -> None:
    assert without_token.health() == SERVING
    assert without_token.watch_health().next() == SERVING


def test_reflection_needs_the_token(without_token: Stubs) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ProtoReflectionDescriptorDatabase(without_token.channel).get_services()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_refused_calls_are_counted(guarded: ServerProcess, without_token: Stubs) -> None:
    before = guarded.metric("convscope_calls_total", rpc="ListModels", code="UNAUTHENTICATED")
    refusal(lambda: CALLS["ListModels"](without_token, ()))
    assert guarded.metric("convscope_calls_total", rpc="ListModels", code="UNAUTHENTICATED") == before + 1


def test_the_sdk_sends_the_token_and_types_the_refusal(guarded: ServerProcess) -> None:
    with Client.connect(guarded.address, token=TOKEN) as client:
        assert client.models()
    with Client.connect(guarded.address, token="wrong") as client, pytest.raises(PermissionDenied) as caught:
        client.models()
    assert caught.value.reason == "TOKEN_INVALID"


def test_the_token_is_not_logged(guarded: ServerProcess, without_token: Stubs) -> None:
    refusal(lambda: CALLS["ListModels"](without_token, bearer("wrong")))
    assert not any(TOKEN in line for line in guarded.log)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[str]:
    """The address of a server that encrypts, and asks for a token."""
    files = {"tls_certificate": certificates.path("server.pem"), "tls_key": certificates.path("server.key")}
    with team_server(tmp_path_factory.mktemp("encrypted"), SMALL, token=TOKEN, **files) as team:
        yield team.process.address


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[str]:
    """The address of a server that asks callers for a certificate."""
    files = {
        "tls_certificate": certificates.path("server.pem"),
        "tls_key": certificates.path("server.key"),
        "tls_client_ca": certificates.path("ca.pem"),
    }
    with team_server(tmp_path_factory.mktemp("mutual"), SMALL, **files) as team:
        yield team.process.address


def assert_unreachable(address: str, credentials: grpc.ChannelCredentials | None) -> None:
    """No call gets through, not even one that needs no token."""
    channel = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    with channel:
        assert refusal(Stubs(channel).health).code == "UNAVAILABLE"


def test_calls_are_encrypted_where_there_is_a_certificate(encrypted: str, certificates: Certificates) -> None:
    with Client.connect(encrypted, token=TOKEN, tls=Tls(ca=certificates.path("ca.pem"))) as client:
        assert client.ready()
        assert [model.name for model in client.models()] == ["guarded"]


def test_encryption_replaces_no_token(encrypted: str, certificates: Certificates) -> None:
    with (
        Client.connect(encrypted, tls=Tls(ca=certificates.path("ca.pem"))) as client,
        pytest.raises(PermissionDenied),
    ):
        client.models()


def test_a_caller_does_not_trust_a_stranger(encrypted: str, certificates: Certificates) -> None:
    assert_unreachable(encrypted, grpc.ssl_channel_credentials(certificates.read("stranger.pem")))


def test_an_unencrypted_call_is_not_answered(encrypted: str) -> None:
    assert_unreachable(encrypted, None)


def test_a_caller_with_a_certificate_of_the_authority_is_answered(mutual: str, certificates: Certificates) -> None:
    tls = Tls(certificates.path("ca.pem"), certificates.path("client.pem"), certificates.path("client.key"))
    with Client.connect(mutual, tls=tls) as client:
        assert [model.name for model in client.models()] == ["guarded"]


def test_a_caller_without_a_certificate_is_not_answered(mutual: str, certificates: Certificates) -> None:
    assert_unreachable(mutual, grpc.ssl_channel_credentials(certificates.read("ca.pem")))


def test_a_caller_with_a_strangers_certificate_is_not_answered(mutual: str, certificates: Certificates) -> None:
    files = (certificates.read(name) for name in ("ca.pem", "unknown.key", "unknown.pem"))
    assert_unreachable(mutual, grpc.ssl_channel_credentials(*files))


@pytest.mark.parametrize(("shown", "status"), [("client", 0), ("unknown", 1), (None, 1)])
def test_the_command_line_shows_a_certificate(
    shown: str | None, status: int, mutual: str, certificates: Certificates
) -> None:
    environment = {**os.environ, "CONVSCOPE_SERVER": mutual, "CONVSCOPE_TLS_CA": str(certificates.path("ca.pem"))}
    if shown is not None:
        environment["CONVSCOPE_TLS_CERTIFICATE"] = str(certificates.path(f"{shown}.pem"))
        environment["CONVSCOPE_TLS_KEY"] = str(certificates.path(f"{shown}.key"))
    command = [str(Path(sys.executable).with_name("convscope")), "models", "--timeout", "10"]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == status, made.stderr
    assert ("guarded" in made.stdout) == (status == 0)


# Each of these would leave the server open though somebody meant to close it.
HALF_CLOSED: dict[str, tuple[Callable[[Certificates], dict[str, object]], str]] = {
    "a certificate without a key": (lambda files: {"tls_certificate": files.path("server.pem")}, "tls_key"),
    "an authority for callers without a certificate": (
        lambda files: {"tls_client_ca": files.path("ca.pem")},
        "tls_certificate",
    ),
    "a token file that is empty": (lambda files: {"token_file": files.path("token.empty")}, "token.empty"),
    "two tokens": (lambda files: {"token": TOKEN, "token_file": files.path("token.empty")}, "token_file"),
    "an authority for callers that is none": (
        lambda files: {
            "tls_certificate": files.path("server.pem"),
            "tls_key": files.path("server.key"),
            "tls_client_ca": files.path("rubbish.pem"),
        },
        "rubbish.pem",
    ),
    "a certificate that is none": (
        lambda files: {"tls_certificate": files.path("rubbish.pem"), "tls_key": files.path("server.key")},
        "rubbish.pem",
    ),
}


@pytest.fixture(scope="module")
def half_closed(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[dict[str, ServerProcess]]:
    """All of HALF_CLOSED, started together."""
    certificates.path("token.empty").write_text("\n")
    catalogue = tmp_path_factory.mktemp("half-closed") / "catalogue.toml"
    catalogue.write_text(SMALL)
    with networks_on_path():
        started = {
            name: ServerProcess(catalogue=catalogue, models="guarded", **settings(certificates))
            for name, (settings, _) in HALF_CLOSED.items()
        }
    yield started
    for process in started.values():
        if process.process.poll() is None:
            process.kill()


@pytest.mark.parametrize("name", HALF_CLOSED)
def test_a_server_that_would_be_open_by_mistake_does_not_start(
    name: str, half_closed: dict[str, ServerProcess]
) -> None:
    process = half_closed[name]
    assert_cannot_start(process, HALF_CLOSED[name][1])
    assert not any("taken" in line for line in process.log), "the port is not to blame"


# Of version 4, of 6, and of 4 as 6 writes it.
LOOPBACK = {"0100007F", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F"}


def listened_on(pid: int) -> set[str]:
    """Addresses at which a process waits for others, as /proc writes them."""
    held = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in held:
                found.add(fields[1].partition(":")[0])
    return found


def test_nobody_elsewhere_reaches_programs_that_were_told_nothing(tmp_path: Path) -> None:
    server = JobsProcess(redis_url="redis://127.0.0.1:1", artifacts_url=tmp_path.as_uri()).wait_until_serving()
    with WebProcess(server=server.address) as page:
        for process in (server.process, page.process):
            found = listened_on(process.pid)
            assert found
            assert found <= LOOPBACK
    assert server.stop() == 0
    open_to_all = JobsProcess(redis_url="redis://127.0.0.1:1", artifacts_url=tmp_path.as_uri(), host="0.0.0.0")
    assert not listened_on(open_to_all.wait_until_serving().process.pid) & LOOPBACK, "it would be seen"
    assert open_to_all.stop() == 0

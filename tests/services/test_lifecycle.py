"""From start to end: healthy when the models are there, clear about what is wrong, gone when the work is done."""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from convscope.v1.attribution_service_pb2 import ClassifyRequest
from convscope.v1.model_service_pb2 import GetModelRequest, ModelState
from tests.processes import ServerProcess, free_port, wait_until
from tests.services.calls import NOT_SERVING, SECONDS, SERVICES, SERVING, Refusal, Stubs, calling, refusal
from tests.services.held import assert_same, entry, networks_on_path, question, team_server
from tests.services.starts import assert_cannot_start

SOON = 15.0
"""Seconds in which a server that has nothing left to do is gone."""


@dataclass
class Waking:
    """A server whose model takes until a file is there."""

    process: ServerProcess
    stubs: Stubs
    gate: Path

    def __post_init__(self) -> None:
        self.process.wait_for("loading")

    def finish_loading(self) -> None:
        self.gate.touch()


@pytest.fixture
def waking(tmp_path: Path) -> Iterator[Waking]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(entry("slow", "slow", gates=str(tmp_path), gate="loaded"))
    port = free_port()
    with networks_on_path():
        process = ServerProcess(catalogue=catalogue, models="slow", port=port)
    try:
        with calling(f"127.0.0.1:{port}") as stubs:
            yield Waking(process, stubs, tmp_path / "loaded")
    finally:
        (tmp_path / "loaded").touch()
        if process.process.poll() is None:
            process.stop()


def test_while_a_model_loads_the_server_is_not_healthy_and_callers_are_told_to_come_again(waking: Waking) -> None:
    asked = question(1, "slow")
    classified = ClassifyRequest(model=asked.model, image=asked.image)
    statuses = {service: waking.stubs.watch_health(service) for service in ("", *SERVICES)}
    for service, watched in statuses.items():
        assert waking.stubs.health(service) == NOT_SERVING
        assert watched.next() == NOT_SERVING
    for call in (
        lambda: waking.stubs.attribute(asked, timeout=SECONDS),
        lambda: waking.stubs.classify(classified, timeout=SECONDS),
    ):
        found = refusal(call)
        assert (found.code, found.reason, found.field) == ("UNAVAILABLE", "MODEL_LOADING", "model")
        assert found.retry_after is not None
        assert found.retry_after > 0
    model = waking.stubs.get_model(GetModelRequest(name="models/slow"), timeout=SECONDS).model
    assert model.state == ModelState.MODEL_STATE_LOADING
    assert not model.HasField("card")

    waking.finish_loading()
    for service, watched in statuses.items():
        assert watched.next() == SERVING
        assert waking.stubs.health(service) == SERVING
    assert waking.stubs.attribute(asked, timeout=SECONDS).attribution.data
    assert waking.stubs.classify(classified, timeout=SECONDS).predictions


def test_a_signal_is_heeded_while_a_model_loads(waking: Waking) -> None:
    waking.process.process.send_signal(signal.SIGTERM)
    try:
        assert waking.process.wait_until_ended(SOON) == 0
    except subprocess.TimeoutExpired:
        pytest.fail(f"still there {SOON} s after SIGTERM, loading")


def test_health_of_a_service_that_does_not_exist_is_not_found(stubs: Stubs) -> None:
    assert refusal(lambda: stubs.health("convscope.v1.JobService")).code == "NOT_FOUND"


def test_reflection_lists_the_services(stubs: Stubs) -> None:
    reflected = ProtoReflectionDescriptorDatabase(stubs.channel)
    assert {*SERVICES, "grpc.health.v1.Health"} <= set(reflected.get_services())
    found = reflected.FindFileContainingSymbol("convscope.v1.AttributionService")
    rpcs = [method.name for method in found.service[0].method]
    explaining = ["Attribute", "AttributeStream", "Compare", "AnalyzeFailure"]
    assert rpcs == [*explaining, "Classify", "Caption", "Answer", "AttributeCaption"]


def test_on_sigterm_health_turns_first_and_every_accepted_call_is_answered(tmp_path: Path) -> None:
    catalogue = entry("guarded", gates="{gates}")
    with team_server(tmp_path, catalogue, drain_delay=0.5, max_batch=4) as team:
        lone = {number: team.ask(number) for number in range(8)}
        watched = team.stubs.watch_health()
        assert watched.next() == SERVING
        with team.held() as held:
            accepted = {number: team.send(question(number)) for number in lone}
            team.wait_until_queued(8)
            team.process.process.send_signal(signal.SIGTERM)
            assert watched.next() == NOT_SERVING
            # Callers that have not yet heard of it are still answered: they get a place in the queue.
            late = team.send(question(3))
            team.wait_until_queued(9)
            refused = wait_until(lambda: refused_now(team.stubs), "new calls to be refused")
            assert refused.code == "UNAVAILABLE"
            assert not any(call.done() for call in accepted.values())
            held.release()
            for number, call in accepted.items():
                assert_same(call.result(SECONDS), lone[number])
            assert_same(late.result(SECONDS), lone[3])
            assert held.call.result(SECONDS).attribution.data
        watched.leave()
        assert team.process.wait_until_ended(SOON) == 0


def refused_now(stubs: Stubs) -> Refusal | None:
    """What a call that needs no model is refused with; None where it is answered."""
    try:
        stubs.get_model(GetModelRequest(name="models/guarded"), timeout=SECONDS)
    except grpc.RpcError as error:
        return Refusal.of(error)
    return None


def test_sigterm_under_load_loses_no_accepted_call(tmp_path: Path) -> None:
    with team_server(tmp_path, entry("guarded", gates="{gates}")) as team:
        lone = {number: team.ask(number) for number in range(8)}
        enough = 100

        def call_until_refused(number: int) -> tuple[int, Refusal]:
            answered = 0
            while True:
                try:
                    assert_same(team.ask(number), lone[number])
                except grpc.RpcError as error:
                    return answered, Refusal.of(error)
                answered += 1

        with ThreadPoolExecutor(8) as pool:
            callers: list[Future[tuple[int, Refusal]]] = [pool.submit(call_until_refused, number) for number in lone]
            wait_until(
                lambda: team.process.metric("convscope_calls_total", rpc="Attribute", code="OK") > enough, "some load"
            )
            assert team.process.stop(SOON) == 0
            outcomes = [caller.result(SECONDS) for caller in callers]
        assert sum(answered for answered, _ in outcomes) > enough - 8
        for _, refused in outcomes:
            # A call that came too late was never begun: gRPC says so, and a client may try it elsewhere.
            assert refused.code == "UNAVAILABLE", refused


def test_who_watches_health_does_not_keep_the_server_and_neither_does_who_leaves_just_then(tmp_path: Path) -> None:
    with team_server(tmp_path, entry("guarded", gates="{gates}"), drain_grace=300) as team:
        watchers = [team.stubs.watch_health() for _ in range(12)]
        assert all(watched.next() == SERVING for watched in watchers)
        team.process.process.send_signal(signal.SIGTERM)
        assert watchers[0].next() == NOT_SERVING
        for watched in watchers[::2]:
            watched.leave()
        try:
            assert team.process.wait_until_ended(SOON) == 0
        except subprocess.TimeoutExpired:
            team.process.kill()
            pytest.fail(f"still there {SOON} s after SIGTERM, though no call of ours is left")


def test_a_call_that_does_not_end_is_cut_off_after_the_grace(tmp_path: Path) -> None:
    with team_server(tmp_path, entry("guarded", gates="{gates}"), drain_grace=0.5) as team, team.held() as held:
        team.process.process.send_signal(signal.SIGTERM)
        error = held.call.exception(SOON)
        assert isinstance(error, grpc.RpcError)
        assert error.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
        held.release()
        assert team.process.wait_until_ended(SOON) == 0


@dataclass(frozen=True)
class Attempt:
    """A start that cannot succeed."""

    name: str
    catalogue: str = ""
    says: tuple[str, ...] = ()
    settings: dict[str, object] = field(default_factory=dict)


ONE = entry("one")
CANNOT_START = [
    Attempt("two models of one name", ONE + entry("two") + ONE, ("two models are named one",)),
    Attempt(
        "a weights file that is not there",
        ONE.replace("seed = 5", 'weights = "absent.safetensors"'),
        ("model one", "absent.safetensors"),
    ),
    Attempt(
        "a factory that raises",
        entry("one", "broken", message="no such luck"),
        ("model one", "ValueError: no such luck"),
    ),
    Attempt("an unknown model", ONE + entry("two"), ("unknown model 'won'", "one"), {"models": "won"}),
    Attempt("no catalogue", says=("absent.toml", "No such file"), settings={"catalogue": "absent.toml"}),
    Attempt("a device that is not there", ONE, ("abacus",), {"device": "abacus"}),
]


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServerProcess]]:
    """All of CANNOT_START, started together."""
    started = {}
    with networks_on_path():
        for attempt in CANNOT_START:
            folder = tmp_path_factory.mktemp("attempt")
            catalogue = folder / "catalogue.toml"
            catalogue.write_text(attempt.catalogue)
            settings: dict[str, object] = {"catalogue": catalogue, "models": "one", **attempt.settings}
            started[attempt.name] = ServerProcess(**settings)
    yield started
    for process in started.values():
        if process.process.poll() is None:
            process.kill()


@pytest.mark.parametrize("attempt", CANNOT_START, ids=lambda attempt: str(attempt.name))
def test_what_is_wrong_is_said_at_the_start(attempt: Attempt, attempts: dict[str, ServerProcess]) -> None:
    assert_cannot_start(attempts[attempt.name], *attempt.says)


def test_a_port_that_is_taken_is_named(server: ServerProcess) -> None:
    port = server.address.rpartition(":")[2]
    assert_cannot_start(ServerProcess(port=port), port, "taken")


def test_a_metrics_port_that_is_taken_is_named(server: ServerProcess) -> None:
    port = server.metrics_url.split(":")[2].split("/")[0]
    assert_cannot_start(ServerProcess(metrics_port=port), port)

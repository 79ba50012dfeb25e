"""Jobs that cannot be done: they fail, after as many attempts as make sense, and harm no other one."""

import pytest
from google.protobuf.message import Message

from convscope.services.common.jobs.job import State
from convscope.v1.synthesis_service_pb2 import InvertFeaturesRequest, VisualizeChannelRequest
from convscope.v1.target_pb2 import ClassReference, Unit
from convscope.v1.tensor_pb2 import DataType, Tensor
from tests.workers.asking import attack_of, dream_of
from tests.workers.jobs_cluster import JobsCluster


def test_a_job_that_takes_its_process_down_fails_after_three_attempts(cluster: JobsCluster) -> None:
    id = cluster.visualize("crashing", 5)
    others = [cluster.visualize("slow", 30, seed=seed) for seed in range(3)]
    failed = cluster.wait_for_end(id, 90)
    assert (failed.state, failed.attempts) == (State.FAILED, 3)
    assert failed.failure is not None
    assert failed.failure.reason == "WORKER_LOST"
    assert "went away in attempt 3" in failed.failure.message
    for other in others:
        assert cluster.wait_for_end(other).state is State.SUCCEEDED
    for worker in cluster.workers:
        assert worker.process.poll() is None


def test_a_job_that_runs_out_of_memory_fails_after_three_attempts(cluster: JobsCluster) -> None:
    children = [worker.child for worker in cluster.workers]
    failed = cluster.wait_for_end(cluster.visualize("hungry", 5))
    assert (failed.state, failed.attempts) == (State.FAILED, 3)
    assert failed.failure is not None
    assert (failed.failure.status, failed.failure.reason) == ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY")
    assert cluster.wait_for_end(cluster.visualize("small", 5)).state is State.SUCCEEDED
    assert [worker.child for worker in cluster.workers] == children


@pytest.mark.parametrize(
    ("model", "target", "reason", "words"),
    [
        ("smal", 0, "UNKNOWN_MODEL", "nearest: small"),
        ("small", 5, "UNKNOWN_CLASS", "0 to 4"),
        ("small", "doge", "UNKNOWN_CLASS", "nearest: dog"),
        ("answering", "yes", "TASK_UNSUPPORTED", "answers questions"),
    ],
)
def test_what_only_a_worker_can_check_fails_at_once(
    own_cluster: JobsCluster, model: str, target: int | str, reason: str, words: str
) -> None:
    # Nobody has loaded a model yet, so that the jobs server has no card to check against.
    job = own_cluster.client.visualize_class(model=model, target=target, steps=5)
    own_cluster.start_workers()
    failed = own_cluster.wait_for_end(job.name.removeprefix("jobs/"))
    assert (failed.state, failed.attempts) == (State.FAILED, 1)
    assert failed.failure is not None
    assert failed.failure.reason == reason
    assert words in failed.failure.message


# The model has no layer of these names; the jobs server knows only that the papers have.
UNKNOWN_BEFORE: dict[str, tuple[Message, str, str]] = {
    "a channel": (
        VisualizeChannelRequest(model="small", units=[Unit(layer="inception4c", channel=8)]),
        "units[0].channel",
        "channels 0 to 7",
    ),
    "a channel of a dream": (dream_of("small", layer="conv1", channels=[8]), "channels", "8"),
    "features": (
        InvertFeaturesRequest(
            model="small",
            layers=["conv1"],
            features=Tensor(shape=[1, 1], data_type=DataType.DATA_TYPE_FLOAT32, data=b"\0\0\0?"),
        ),
        "features",
        "not [1, 1]",
    ),
    "the picture's own class": (attack_of("small", target=ClassReference(label="owl")), "target", "owl already"),
}


@pytest.mark.parametrize("what", UNKNOWN_BEFORE)
def test_what_no_card_tells_fails_at_once_and_names_the_field(what: str, cluster: JobsCluster) -> None:
    request, field, words = UNKNOWN_BEFORE[what]
    failed = cluster.wait_for_end(cluster.hand_in(request))
    assert (failed.state, failed.attempts) == (State.FAILED, 1)
    assert failed.failure is not None
    assert (failed.failure.status, failed.failure.field) == ("INVALID_ARGUMENT", field)
    assert words in failed.failure.message


def test_a_job_that_takes_too_long_fails_and_says_so(own_cluster: JobsCluster) -> None:
    (worker,) = own_cluster.start_workers(job_seconds=1)
    failed = own_cluster.wait_for_end(own_cluster.visualize("slow", 1000))
    assert (failed.state, failed.attempts) == (State.FAILED, 1)
    assert failed.failure is not None
    assert failed.failure.reason == "JOB_TOO_LONG"
    assert own_cluster.wait_for_end(own_cluster.visualize("small", 5)).state is State.SUCCEEDED
    assert worker.process.poll() is None

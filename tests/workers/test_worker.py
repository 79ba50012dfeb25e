"""A worker says that it lives, also while it works, and why it cannot start."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convscope.services.common.jobs.job import State
from tests.processes import wait_until
from tests.workers.jobs_cluster import JobsCluster, WorkerProcess


def lives(file: Path, within: float, *more: str) -> bool:
    command = [sys.executable, "-m", "convscope.workers.probe", "--within", str(within), "--file", str(file), *more]
    return subprocess.run(command, check=False).returncode == 0


def test_it_lives_while_a_job_runs_and_not_when_it_has_gone(own_cluster: JobsCluster, tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    assert not lives(file, 3)
    (worker,) = own_cluster.start_workers(heartbeat_file=file)
    id = own_cluster.visualize("slow", 250)
    own_cluster.wait_for_step(id, 1)
    while own_cluster.job(id).state is State.RUNNING:
        assert time.time() - file.stat().st_mtime < 3, "the parent beats while its child works"
        time.sleep(0.2)
    assert own_cluster.job(id).state is State.SUCCEEDED
    assert lives(file, 3)
    assert worker.stop() == 0
    assert not file.exists()


def test_it_is_not_ready_while_the_store_is_away_and_is_again_afterwards(
    own_cluster: JobsCluster, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    own_cluster.start_workers(heartbeat_file=file)
    wait_until(file.exists, "a heartbeat")
    own_cluster.store.kill()
    wait_until(lambda: not file.exists(), "the heartbeat to end")
    own_cluster.store.start()
    wait_until(file.exists, "it to begin again")
    assert own_cluster.wait_for_end(own_cluster.visualize("small", 3)).state is State.SUCCEEDED


def test_one_that_waits_for_the_store_is_alive_and_one_that_hangs_is_not(
    own_cluster: JobsCluster, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    own_cluster.store.kill()
    worker = WorkerProcess(**{**own_cluster.settings(), "heartbeat_file": file})
    own_cluster.workers.append(worker)
    wait_until(lambda: lives(file, 5, "--alive"), "it to wait for a store that was never there", timeout=90)
    assert not lives(file, 5), "it takes no jobs"
    own_cluster.store.start()
    wait_until(lambda: lives(file, 5), "it to take jobs", timeout=90)
    own_cluster.store.kill()
    wait_until(lambda: not file.exists(), "the heartbeat to end")
    for _ in range(8):  # as long as it waits, and longer than from one attempt to the next
        time.sleep(1)
        assert lives(file, 5, "--alive")
    worker.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: not lives(file, 5, "--alive"), "the probe to see that it hangs")
    worker.process.send_signal(signal.SIGCONT)
    wait_until(lambda: lives(file, 5, "--alive"), "it to live again")
    own_cluster.store.start()
    assert own_cluster.wait_for_end(own_cluster.visualize("small", 3)).state is State.SUCCEEDED
    assert worker.stop() == 0
    assert not lives(file, 60, "--alive")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"catalogue": "/nowhere/catalogue.toml"}, "cannot be read"),
        ({"models": "smal"}, "nearest: small"),
        ({"kinds": "visualise_class"}, "the kinds are"),
        ({"lease_seconds": 0}, "lease_seconds"),
        ({"artifacts_url": "gopher://hole"}, "gopher"),
    ],
    ids=["catalogue", "model", "kind", "lease", "artifacts"],
)
def test_one_that_cannot_start_says_why_and_ends(
    own_cluster: JobsCluster, settings: dict[str, object], words: str
) -> None:
    worker = WorkerProcess(**{**own_cluster.settings(), **settings})
    assert worker.wait_until_ended(60) == 1
    said = [line for line in worker.log if "cannot start" in line]
    assert len(said) == 1
    assert words in said[0]
    assert "Traceback" not in "".join(worker.log)


def test_a_worker_takes_only_its_kinds(own_cluster: JobsCluster) -> None:
    own_cluster.start_workers(kinds="deep_dream")
    id = own_cluster.visualize("small", 3)
    time.sleep(2)
    assert own_cluster.job(id).state is State.QUEUED
    own_cluster.start_workers(kinds="visualize_class")
    assert own_cluster.wait_for_end(id).state is State.SUCCEEDED

"""A server whose jobs are done as soon as they are there, and commands that talk to it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.clients.job_stand_in import JobServer, JobStandIn, serving_jobs
from tests.clients.terminal import (
    Run,
    in_process,
)

TABBY = "tabby 20.00 (probability 0.98)"
"""What commands say of the stand-in's picture for a tabby."""


@pytest.fixture
def server() -> Iterator[JobServer]:
    """Its jobs are done as soon as they are there."""
    jobs = JobStandIn()
    jobs.work = jobs.run
    with serving_jobs(jobs) as server:
        yield server


@pytest.fixture
def jobs(server: JobServer) -> JobStandIn:
    return server.jobs


@pytest.fixture
def folder(tmp_path: Path, cat_path: Path) -> Path:
    shutil.copy(cat_path, tmp_path / "cat.png")
    return tmp_path


@pytest.fixture
def arrays(folder: Path) -> None:
    """Files of features, right and wrong, in the folder."""
    np.save(folder / "features.npy", np.zeros((8, 4, 4), np.float32))
    np.save(folder / "integers.npy", np.zeros((2, 3), np.int64))
    np.save(folder / "objects.npy", np.array([None]), allow_pickle=True)
    (folder / "empty.npy").write_bytes(b"")


@pytest.fixture
def convscope(
    server: JobServer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    return in_process(server.address, folder, monkeypatch, capsys)

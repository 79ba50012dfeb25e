"""Every process of a cluster, whose log lines, metrics and traces a test reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from convscope.client import Client, Preprocessed
from tests.processes import ServerProcess
from tests.workers.jobs_cluster import SIZE, JobsCluster, jobs_cluster

MODEL = "small"


class ObservedCluster:
    """An attribution server beside the jobs server and a worker."""

    def __init__(self, jobs: JobsCluster, **settings: object) -> None:
        self.jobs = jobs
        self._asked = count()
        self.attribution = ServerProcess(**jobs.settings(), models=MODEL, **settings)
        self.attribution.wait_until_serving()
        self.client = Client.connect(self.attribution.address)
        (self.worker,) = jobs.start_workers(1, **settings)

    @property
    def processes(self) -> dict[str, ServerProcess]:
        return {"attribution": self.attribution, "jobs": self.jobs.server, "worker": self.worker}

    def ask(self) -> None:
        """One attribution, of a picture that no other one was of."""
        self.client.attribute(picture(next(self._asked)), model=MODEL, method="saliency", target=1)

    def close(self) -> None:
        self.client.close()
        if self.attribution.process.poll() is None:
            self.attribution.kill()


def picture(number: int) -> Preprocessed:
    """As the networks take it."""
    return Preprocessed(np.random.default_rng(number).standard_normal((3, SIZE, SIZE), dtype=np.float32))


@contextmanager
def observed_cluster(folder: Path, **settings: object) -> Iterator[ObservedCluster]:
    """Nothing of it outlives the block. settings: of every server and worker."""
    with jobs_cluster(folder) as jobs:
        if settings:
            jobs.server.stop()
            jobs.start_server(**settings)
        cluster = ObservedCluster(jobs, **settings)
        try:
            yield cluster
        finally:
            cluster.close()


def lines(process: ServerProcess) -> list[dict[str, Any]]:
    """All that it has logged; each line must be a JSON object."""
    return [json.loads(line) for line in process.log]


def lines_of(process: ServerProcess, correlation_id: str) -> list[dict[str, Any]]:
    return [line for line in lines(process) if line.get("correlation_id") == correlation_id]


def metrics(process: ServerProcess) -> dict[str, Metric]:
    """The families of its /metrics page, by name."""
    return {family.name: family for family in text_string_to_metric_families(process.metrics_page())}

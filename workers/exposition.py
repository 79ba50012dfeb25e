"""The /metrics page of a worker."""

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from convscope.services.common.ports import PortTaken
from convscope.services.common.telemetry.gpus import GpuCollector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that must name a folder before prometheus_client is imported: it then counts into files there."""


class Children(Collector):
    """What the children have counted, also those that are no more; gauges of the living only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        # A child that was killed could not say so.
        for file in self._folder.glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not Path(f"/proc/{pid}").exists():
                mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
        found: Iterable[Metric] = self._files.collect()  # type: ignore[no-untyped-call]
        return found


def serve_worker_metrics(host: str, port: int) -> None:
    """Serve /metrics of this worker's children. Raises PortTaken."""
    registry = CollectorRegistry()
    registry.register(Children(Path(os.environ[FOLDER])))
    registry.register(GpuCollector())
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        raise PortTaken(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error

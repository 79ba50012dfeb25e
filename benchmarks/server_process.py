"""The attribution server in a process of its own, on a free port, with a minimum of luggage: no store, no metrics."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.machine import THREADS
from convscope.services.common.ports import choose_port

POLL_SECONDS = 0.01


class MeasuredServer:
    """Started when made; `ready_after` is the time from there to healthy, seconds."""

    def __init__(self, **settings: object) -> None:
        port = choose_port(0, "benchmark", option="")
        given = {"port": port, "threads": THREADS, **settings}
        environment = {f"CONVSCOPE_{name.upper()}": str(value) for name, value in given.items()}
        started = time.perf_counter()
        command = [sys.executable, "-m", "convscope.services.attribution"]
        self._process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
        self.address = f"127.0.0.1:{port}"
        options = [("grpc.max_reconnect_backoff_ms", 50), ("grpc.initial_reconnect_backoff_ms", 20)]
        self.channel = grpc.insecure_channel(self.address, options=options)
        health = health_pb2_grpc.HealthStub(self.channel)
        while not _serving(health):
            if self._process.poll() is not None:
                raise RuntimeError("the server did not start")
            time.sleep(POLL_SECONDS)
        self.ready_after = time.perf_counter() - started

    def memory(self, key: str = "VmRSS") -> float:
        """Resident memory, MiB; key VmHWM: its peak."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith(key))
        return int(line.split()[1]) / 1024

    def processor_seconds(self) -> float:
        return processor_seconds(self._process.pid)

    def stop(self) -> None:
        self.channel.close()
        self._process.terminate()
        self._process.wait()


def processor_seconds(pid: int) -> float:
    """That a process has taken, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def measured_server(**settings: object) -> Iterator[MeasuredServer]:
    server = MeasuredServer(**settings)
    try:
        yield server
    finally:
        server.stop()


def _serving(health: health_pb2_grpc.HealthStub) -> bool:
    try:
        response = health.Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.RpcError:
        return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

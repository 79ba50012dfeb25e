"""One call at a time through gRPC, minus the same work in process."""

import statistics
import time

from benchmarks.engine_process import batch_seconds
from benchmarks.pictures import MODEL, photograph, request
from benchmarks.server_process import MeasuredServer, measured_server
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub

AT_MOST_MS = 2.0
TURNS, CALLS, WARM_UP = 5, 100, 20


def run() -> None:
    with measured_server() as server:
        # In turn, so that a noisy machine disturbs both alike.
        turns = [(batch_seconds("tuned", 1), _call_seconds(server)) for _ in range(TURNS)]
    in_process, through_grpc = (statistics.median(times) * 1000 for times in zip(*turns, strict=True))
    print("| one call at a time, median | in process, ms | through gRPC, ms | more, ms | at most |")
    print("|---|---|---|---|---|")
    print(
        f"| 512-pixel JPEG to float32 heatmap, {MODEL} | {in_process:.1f} | {through_grpc:.1f} "
        f"| **{through_grpc - in_process:.2f}** | {AT_MOST_MS} |"
    )


def _call_seconds(server: MeasuredServer) -> float:
    message = request(photograph())
    stub = AttributionServiceStub(server.channel)
    times = []
    for _ in range(WARM_UP + CALLS):
        started = time.perf_counter()
        stub.Attribute(message)
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARM_UP:])

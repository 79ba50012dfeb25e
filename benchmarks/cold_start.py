"""From the start of the server's process to healthy, and its memory."""

import statistics

from benchmarks.pictures import MODEL, photograph, request
from benchmarks.server_process import MeasuredServer
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub

ROUNDS = 3
CALLS = 50


def run() -> None:
    times, peaks = [], []
    for _ in range(ROUNDS):
        server = MeasuredServer()
        try:
            message = request(photograph())
            for _ in range(CALLS):
                AttributionServiceStub(server.channel).Attribute(message)
            times.append(server.ready_after)
            peaks.append(server.memory("VmHWM"))
        finally:
            server.stop()
    print(f"| cold start with {MODEL}, median of {ROUNDS} | peak memory after {CALLS} calls |")
    print("|---|---|")
    print(f"| {statistics.median(times):.1f} s | {max(peaks):.0f} MiB |")

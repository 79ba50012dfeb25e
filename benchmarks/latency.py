"""One call at a time through gRPC, minus the same work in process."""

import torch

from benchmarks.machine import DEVICE, THREADS
from benchmarks.pictures import MODEL, in_process, photograph, request
from benchmarks.server_process import measured_server
from benchmarks.timing import in_turn
from convscope.engine.models.catalogue import Catalogue
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub

AT_MOST_MS = 2.0
ROUNDS = 200


def run() -> None:
    torch.set_num_threads(THREADS)
    model = Catalogue.read().load(MODEL, device=DEVICE)
    jpeg = photograph()
    message = request(jpeg)
    with measured_server() as server:
        stub = AttributionServiceStub(server.channel)
        ways = {"grpc": lambda: stub.Attribute(message), "in process": lambda: in_process(model, [jpeg])}
        times = {name: seconds * 1000 for name, seconds in in_turn(ways, rounds=ROUNDS, warm_up=20).items()}
    more = times["grpc"] - times["in process"]
    print("| one call at a time, median of 200 | in process, ms | through gRPC, ms | more, ms | at most |")
    print("|---|---|---|---|---|")
    print(
        f"| 512-pixel JPEG to float32 heatmap, {MODEL} | {times['in process']:.1f} | {times['grpc']:.1f} "
        f"| **{more:.2f}** | {AT_MOST_MS} |"
    )

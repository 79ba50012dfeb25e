"""32 callers at once, and four times what the server can carry, against the engine's best batch in process."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import torch

from benchmarks.machine import DEVICE, THREADS
from benchmarks.pictures import MODEL, in_process, photograph, request
from benchmarks.server_process import MeasuredServer, measured_server
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.v1.attribution_service_pb2 import AttributeRequest
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub

CALLERS = 32
OVERLOAD = 4
BATCHES = (1, 2, 4, 8, 16, 32)
SECONDS = 10.0
AT_LEAST = 0.9


@dataclass
class Load:
    """What came of a load."""

    seconds: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def goodput(self) -> float:
        """Answers a second."""
        return self.codes["OK"] / self.seconds


def run() -> None:
    torch.set_num_threads(THREADS)
    model = Catalogue.read().load(MODEL, device=DEVICE)
    jpeg = photograph()
    message = request(jpeg)
    best, batch = max((_engine(model, jpeg, batch), batch) for batch in BATCHES)
    with measured_server() as server:
        asyncio.run(_callers(server.address, message, 3.0))
        carried = asyncio.run(_callers(server.address, message, SECONDS))
        before = server.memory()
        overload = asyncio.run(_arrivals(server.address, message, SECONDS, OVERLOAD * best))
        after = _settled(server)
    again, _ = max((_engine(model, jpeg, size), size) for size in (batch,))
    reference = (best + again) / 2
    print("| load | answers a second | over the engine's best | at least | refused | other failures |")
    print("|---|---|---|---|---|---|")
    print(f"| the engine in process, batch {batch} | {reference:.1f} | 1 | | | |")
    print(_row(f"{CALLERS} callers at once", carried, reference))
    print(_row(f"{OVERLOAD} times that, {OVERLOAD * best:.0f} calls a second", overload, reference))
    print(f"\nResident memory of the server: {before:.0f} MiB before the overload, {after:.0f} MiB after it.")


def _row(load: str, result: Load, reference: float) -> str:
    refused = result.codes["RESOURCE_EXHAUSTED"]
    others = result.codes.total() - result.codes["OK"] - refused
    ratio = result.goodput / reference
    return f"| {load} | {result.goodput:.1f} | **{ratio:.2f}** | {AT_LEAST} | {refused} | {others} |"


def _engine(model: Model, jpeg: bytes, batch: int) -> float:
    """Pictures a second in process."""
    for _ in range(2):
        in_process(model, [jpeg] * batch)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS / 4:
        in_process(model, [jpeg] * batch)
        done += batch
    return done / (time.perf_counter() - started)


async def _callers(address: str, message: AttributeRequest, seconds: float) -> Load:
    """Callers that ask again as soon as they have an answer."""
    load = Load()
    async with grpc.aio.insecure_channel(address) as channel:
        started = time.perf_counter()

        async def caller() -> None:
            while time.perf_counter() - started < seconds:
                load.codes[await _call(channel, message)] += 1

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        load.seconds = time.perf_counter() - started
    return load


async def _arrivals(address: str, message: AttributeRequest, seconds: float, rate: float) -> Load:
    """Calls that arrive at a steady rate, whatever becomes of the ones before."""
    load = Load()
    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as group:
        started = time.perf_counter()

        async def one() -> None:
            code = await _call(channel, message)
            if time.perf_counter() - started <= seconds:
                load.codes[code] += 1

        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            group.create_task(one())
        load.seconds = seconds
    return load


async def _call(channel: grpc.aio.Channel, message: AttributeRequest) -> str:
    try:
        rpc: Any = AttributionServiceStub(channel).Attribute
        await rpc(message, timeout=30)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


def _settled(server: MeasuredServer) -> float:
    time.sleep(1)
    return server.memory()

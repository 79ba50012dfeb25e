"""32 callers at once, and four times what the server can carry, against the engine's best batch in process."""

import asyncio
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from benchmarks.engine_process import batch_seconds
from benchmarks.pictures import photograph, request
from benchmarks.server_process import MeasuredServer, measured_server
from convscope.v1.attribution_service_pb2 import AttributeRequest
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub

CALLERS = 32
OVERLOAD = 4
BATCHES = (1, 2, 4, 8, 16, 32)
SECONDS = 6.0
TURNS = 3
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
    message = request(photograph())
    best_batch = min(BATCHES, key=lambda batch: batch_seconds("tuned", batch) / batch)
    plain_batch = min(BATCHES, key=lambda batch: batch_seconds("plain", batch) / batch)
    engine, plain, callers, arrivals = [], [], [], []
    with measured_server() as server:
        asyncio.run(_callers(server.address, message, 3.0))
        before = server.memory()
        # In turn, so that a noisy machine disturbs all alike.
        for _ in range(TURNS):
            engine.append(best_batch / batch_seconds("tuned", best_batch))
            callers.append(asyncio.run(_callers(server.address, message, SECONDS)))
            plain.append(plain_batch / batch_seconds("plain", plain_batch))
            arrivals.append(asyncio.run(_arrivals(server.address, message, SECONDS, OVERLOAD * engine[-1])))
        after = _settled(server)
    reference = statistics.median(engine)
    print("| load | answers a second | over the engine's best | at least | refused | other failures |")
    print("|---|---|---|---|---|---|")
    print(f"| the engine in process, told what the server is told, batch {best_batch} | {reference:.1f} | 1 | | | |")
    unprepared = statistics.median(plain)
    ratio = unprepared / reference
    print(f"| the engine in a plain process, batch {plain_batch} | {unprepared:.1f} | {ratio:.2f} | | | |")
    print(_row(f"{CALLERS} callers at once", callers, reference))
    print(_row(f"{OVERLOAD} times the engine's best, {OVERLOAD * reference:.0f} calls a second", arrivals, reference))
    print(f"\nResident memory of the server: {before:.0f} MiB before the overload, {after:.0f} MiB after it.")


def _row(load: str, results: list[Load], reference: float) -> str:
    goodput = statistics.median(result.goodput for result in results)
    codes = sum((result.codes for result in results), Counter[str]())
    refused = codes["RESOURCE_EXHAUSTED"]
    others = codes.total() - codes["OK"] - refused
    return f"| {load} | {goodput:.1f} | **{goodput / reference:.2f}** | {AT_LEAST} | {refused} | {others} |"


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

"""Ways between the parts of a cluster, which a test can slow down, cut and heal."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
PIECE = 64 * 1024
# close() sends RST and forgets what has not gone out.
ABRUPTLY = struct.pack("ii", 1, 0)


class Proxy:
    """A TCP port of its own that leads to another one of this machine."""

    def __init__(self, loop: asyncio.AbstractEventLoop, to: int) -> None:
        """Proxies makes it."""
        self.port = 0
        self._loop = loop
        self._to = to
        self._ends: set[asyncio.StreamWriter] = set()
        self._refuses = False
        self._latency, self._bandwidth = 0.0, 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """That are open."""
        return len(self._ends) // 2

    def slow(self, latency: float, bandwidth: float) -> None:
        """Let every piece take so many seconds, and a byte 1 / bandwidth more."""
        self._loop.call_soon_threadsafe(self._slow, latency, bandwidth)

    def cut(self) -> None:
        """Reset the connections that there are, and every new one at once."""
        self._loop.call_soon_threadsafe(self._cut)

    def swallow(self) -> None:
        """Let nothing through and say nothing: connections stay, new ones are taken, and no byte arrives."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def heal(self) -> None:
        """Be a plain way again. What was swallowed arrives, as after TCP's own repetitions."""
        self._loop.call_soon_threadsafe(self._heal)

    def _slow(self, latency: float, bandwidth: float) -> None:
        self._latency, self._bandwidth = latency, bandwidth

    def _cut(self) -> None:
        self._refuses = True
        for end in list(self._ends):
            _reset(end)

    def _heal(self) -> None:
        self._refuses = False
        self._slow(0.0, 0.0)
        self._flowing.set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        try:
            if self._refuses:
                raise ConnectionRefusedError
            beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            _reset(writer)
            return
        ends = {writer, beyond_writer}
        self._ends |= ends
        pumps = [
            asyncio.create_task(self._pump(reader, beyond_writer)),
            asyncio.create_task(self._pump(beyond_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._ends -= ends
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            await self._flowing.wait()
            if self._latency:
                await asyncio.sleep(self._latency + len(data) / self._bandwidth)
            writer.write(data)
            await writer.drain()


class Proxies:
    """All of a cluster; one thread carries them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._all: list[Proxy] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def open(self, port: int) -> Proxy:
        """A way to a port, on which nobody needs to listen yet."""
        proxy = Proxy(self._loop, port)
        self._run(proxy.listen())
        self._all.append(proxy)
        return proxy

    def close(self) -> None:
        """Nothing of it is left."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for proxy in self._all:
            await proxy.close()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


def _reset(end: asyncio.StreamWriter) -> None:
    found: socket.socket = end.get_extra_info("socket")
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
    end.transport.abort()

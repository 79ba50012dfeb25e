"""The proxy does what the faults say that it does."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Proxies, Proxy
from tests.processes import wait_until

SECONDS = 5.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that gives back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(caller: socket.socket) -> None:
        with caller:
            try:
                while data := caller.recv(1 << 16):
                    caller.sendall(data)
            except OSError:
                return

    def accept() -> None:
        try:
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
        except OSError:
            return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(SECONDS)


@pytest.fixture
def way(echo: int) -> Iterator[Proxy]:
    proxies = Proxies()
    yield proxies.open(echo)
    proxies.close()


@pytest.fixture
def line(way: Proxy) -> Iterator[socket.socket]:
    """A connection through the way, on which something has gone to and fro."""
    with connected(way) as line:
        assert sent_and_back(line) == b"hello"
        yield line


def connected(way: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", way.port), SECONDS)


def sent_and_back(line: socket.socket, data: bytes = b"hello") -> bytes:
    line.sendall(data)
    found = b""
    while len(found) < len(data) and (more := line.recv(1 << 16)):
        found += more
    return found


def test_all_bytes_come_through_and_back(line: socket.socket) -> None:
    data = bytes(range(256)) * 4096
    threading.Thread(target=line.sendall, args=[data], daemon=True).start()
    found = b""
    while len(found) < len(data):
        found += line.recv(1 << 16)
    assert found == data


def test_a_slow_way_takes_its_time(line: socket.socket, way: Proxy) -> None:
    way.slow(0.1, 100_000)
    begun = time.monotonic()
    assert sent_and_back(line, bytes(10_000)) == bytes(10_000)
    assert time.monotonic() - begun > 2 * (0.1 + 0.1)
    way.heal()
    begun = time.monotonic()
    assert sent_and_back(line) == b"hello"
    assert time.monotonic() - begun < 0.1


def test_a_cut_way_resets_old_connections_and_new_ones_until_it_heals(line: socket.socket, way: Proxy) -> None:
    way.cut()
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    with pytest.raises(ConnectionResetError), connected(way) as other:
        other.recv(1)
    wait_until(lambda: not way.connections, "both to be gone")
    way.heal()
    with connected(way) as other:
        assert sent_and_back(other) == b"hello"


def test_a_hole_swallows_everything_and_says_nothing_until_it_heals(line: socket.socket, way: Proxy) -> None:
    way.swallow()
    line.settimeout(0.3)
    with pytest.raises(TimeoutError):
        sent_and_back(line)
    with connected(way) as other:
        other.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sent_and_back(other)
        way.heal()
        for one in (line, other):
            one.settimeout(SECONDS)
            assert one.recv(5) == b"hello"


def test_a_way_to_nobody_resets(way: Proxy) -> None:
    proxies = Proxies()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionResetError), connected(proxies.open(port)) as line:
        line.recv(1)
    proxies.close()


def test_an_end_that_goes_is_told_to_the_other(way: Proxy) -> None:
    with connected(way) as line:
        assert sent_and_back(line) == b"hello"
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""
    wait_until(lambda: not way.connections, "the connection to be gone")

"""A network of its own for processes, joined to this one by a cable that a test can pull."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pytest

CLONE_NEWNET = 0x40000000
IP = shutil.which("ip")
# Of the range that is set aside for tests of networks between machines (RFC 2544).
OURS, THEIRS, MASK = "198.18.213.1", "198.18.213.2", 30


class Namespace:
    """There while it is open; needs root, or a machine that allows it."""

    address = THEIRS

    def __init__(self) -> None:
        """Raises OSError where it is not allowed."""
        self._name = f"chaos-{token_hex(3)}"
        self._cable, self._end = f"cab{self._name[-6:]}", f"end{self._name[-6:]}"

    def open(self) -> None:
        """Raises OSError, subprocess.CalledProcessError where it is not allowed."""
        _ip("netns", "add", self._name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", self._end)
        _ip("link", "set", self._end, "netns", self._name)
        _ip("addr", "add", f"{OURS}/{MASK}", "dev", self._cable)
        _ip("-n", self._name, "addr", "add", f"{THEIRS}/{MASK}", "dev", self._end)
        _ip("-n", self._name, "link", "set", "lo", "up")
        _ip("-n", self._name, "link", "set", self._end, "up")
        self.plug()

    def plug(self) -> None:
        _ip("link", "set", self._cable, "up")

    def unplug(self) -> None:
        """From now on no packet goes through, and nobody is told."""
        _ip("link", "set", self._cable, "down")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Processes that this thread starts within the block are in it."""
        with Path("/proc/thread-self/ns/net").open("rb") as ours:
            with Path(f"/run/netns/{self._name}").open("rb") as theirs:
                _enter(theirs.fileno())
            try:
                yield
            finally:
                _enter(ours.fileno())

    def close(self) -> None:
        for command in (("link", "del", self._cable), ("netns", "del", self._name)):
            subprocess.run([str(IP), *command], check=False, capture_output=True)


@contextmanager
def namespace() -> Iterator[Namespace]:
    """One that is open; skips the test where that is not allowed here."""
    made = Namespace()
    try:
        made.open()
    except (OSError, subprocess.CalledProcessError) as error:
        made.close()
        pytest.skip(f"network namespaces are not allowed here: {error}")
    try:
        yield made
    finally:
        made.close()


def _ip(*words: str) -> None:
    if IP is None:
        raise FileNotFoundError("ip, of iproute2")
    subprocess.run([IP, *words], check=True, capture_output=True)


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

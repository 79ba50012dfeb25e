"""One process of a cluster, which may end and begin again at its place."""

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from tests.processes import LastingStore, ServerProcess


class Part(ABC):
    """What faults do to a process. It is started again by hand: nobody watches over it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.role, _, _ = name.partition("-")
        """attribution, jobs, worker or store."""
        self.starts = 0

    @property
    @abstractmethod
    def pid(self) -> int:
        """Of the process that runs."""

    @abstractmethod
    def begin(self) -> None:
        """Start it, without waiting for it."""

    @abstractmethod
    def wait_until_begun(self) -> None:
        """Until it says itself that it is there."""

    @abstractmethod
    def end(self) -> None:
        """SIGTERM. Raises AssertionError where it does not end well."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL; harmless where it does not run."""

    def start(self) -> None:
        self.begin()
        self.wait_until_begun()

    def stop(self) -> None:
        """Stop it with its children, as a machine does that is out of breath."""
        self._signal(self.pids(), signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(self.pids(), signal.SIGCONT)

    def pids(self) -> list[int]:
        """Its own and its children's."""
        return [self.pid, *_children(self.pid)]

    @staticmethod
    def _signal(pids: Iterable[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):  # it has ended just now
                os.kill(pid, number)

    def __str__(self) -> str:
        return self.name


class ServerPart(Part):
    """A server or a worker."""

    def __init__(self, name: str, make: Callable[[], ServerProcess], event: str) -> None:
        """make: starts the process, at the same ports every time. event: the log line that says that it is there."""
        super().__init__(name)
        self._make = make
        self._event = event
        self._process: ServerProcess | None = None
        self.log: list[str] = []
        """Of all processes at this place."""

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.process.pid

    def begin(self) -> None:
        self.starts += 1
        self._process = self._make()

    def wait_until_begun(self) -> None:
        self.process.wait_for(self._event)

    def end(self) -> None:
        status = self.process.stop()
        self._keep_log()
        assert status == 0, f"{self} ended with status {status}:\n" + "\n".join(self.log[-30:])

    def kill(self) -> None:
        if self._process is not None and self._process.process.poll() is None:
            self._process.kill()
            self._keep_log()

    def kill_child(self) -> None:
        """SIGKILL to its children; harmless where it has none just now."""
        self._signal(_children(self.pid), signal.SIGKILL)

    def _keep_log(self) -> None:
        self.log += self.process.log


class StorePart(Part):
    """The store, which keeps what it is told in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__("store")
        self._store = LastingStore(folder)

    @property
    def url(self) -> str:
        return self._store.url

    @property
    def port(self) -> int:
        return self._store.port

    @property
    def pid(self) -> int:
        return self._store.pid

    def begin(self) -> None:
        self.starts += 1
        self._store.start()

    def wait_until_begun(self) -> None:
        """It answers once it has begun."""

    def end(self) -> None:
        self._store.stop()

    def kill(self) -> None:
        self._store.kill()


def _children(pid: int) -> list[int]:
    """And theirs. Threads come and go meanwhile."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in (thread / "children").read_text().split():
                found += [int(child), *_children(int(child))]
    return found

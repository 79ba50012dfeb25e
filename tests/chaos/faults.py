"""What can happen to a part of a cluster, and how it is made good again."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.chaos.cluster import Cluster
from tests.chaos.part import Part, ServerPart
from tests.chaos.proxy import Proxy


@dataclass(frozen=True)
class Fault(ABC):
    """Something that happens to a part."""

    kind: ClassVar[str]
    part: Part

    @abstractmethod
    def strike(self) -> None:
        """Let it happen."""

    @abstractmethod
    def heal(self) -> None:
        """Make it good again, without waiting until all is well."""

    @property
    def what(self) -> str:
        """The same for all parts of a role."""
        return f"{self.part.role}: {self.kind}"


class Killed(Fault):
    """SIGKILL; healed by another process at the same place."""

    kind = "killed"

    def strike(self) -> None:
        self.part.kill()

    def heal(self) -> None:
        self.part.start()


class Stopped(Fault):
    """SIGSTOP to it and its children: connections stay, nothing is answered."""

    kind = "stopped"

    def strike(self) -> None:
        self.part.stop()

    def heal(self) -> None:
        self.part.go_on()


class Restarted(Fault):
    """SIGTERM, at which it finishes what it has accepted, and another process at the same place."""

    kind = "restarted"

    def strike(self) -> None:
        self.part.end()

    def heal(self) -> None:
        self.part.start()


class ChildKilled(Fault):
    """SIGKILL to the child of a worker, whose parent makes another."""

    kind = "child killed"

    def strike(self) -> None:
        assert isinstance(self.part, ServerPart)
        self.part.kill_child()

    def heal(self) -> None:
        """Nothing to be done."""


@dataclass(frozen=True)
class OnWay(Fault):
    """Something that happens to a way to a part, or of a part to the store."""

    way: Proxy
    between: str

    @property
    def what(self) -> str:
        return f"{self.between}: {self.kind}"

    def heal(self) -> None:
        self.way.heal()


class Slowed(OnWay):
    """Each piece takes its time, and the bytes theirs."""

    kind = "slowed"

    def strike(self) -> None:
        self.way.slow(latency=0.05, bandwidth=2_000_000)


class Cut(OnWay):
    """Connections are reset, new ones too."""

    kind = "cut"

    def strike(self) -> None:
        self.way.cut()


class Swallowed(OnWay):
    """A black hole."""

    kind = "swallowed"

    def strike(self) -> None:
        self.way.swallow()


def to_clients(cluster: Cluster, kind: type[OnWay], server: Part) -> Fault:
    return kind(server, cluster.to_server[server.name], f"callers to {server.role}")


def to_store(cluster: Cluster, kind: type[OnWay], part: Part) -> Fault:
    return kind(part, cluster.to_store[part.name], f"{part.role} to store")


def that_kill(cluster: Cluster) -> Sequence[Fault]:
    """Every one that a process does not outlive."""
    killing: tuple[type[Fault], ...] = (Killed, Restarted)
    return [kind(part) for kind in killing for part in cluster.parts] + [ChildKilled(part) for part in cluster.workers]


def that_spare(cluster: Cluster) -> Sequence[Fault]:
    """Every one that all processes outlive."""
    servers = (*cluster.attribution, *cluster.jobs)
    kinds: tuple[type[OnWay], ...] = (Slowed, Cut, Swallowed)
    found: list[Fault] = [Stopped(part) for part in cluster.parts]
    found += [to_clients(cluster, kind, server) for kind in kinds for server in servers]
    found += [to_store(cluster, kind, part) for kind in kinds for part in (*servers, *cluster.workers)]
    return found


def each_that_kills(cluster: Cluster) -> Sequence[Sequence[Fault]]:
    """One of each kind of part, and a child. What starts slowly goes side by side, the store alone."""
    attribution, jobs, (worker, other, _) = cluster.attribution[0], cluster.jobs[0], cluster.workers
    return [[Killed(attribution), Killed(worker)], [Killed(jobs), ChildKilled(other)], [Killed(cluster.store)]]


def each_that_spares(cluster: Cluster) -> Sequence[Fault]:
    """One of each kind of part and of way."""
    (attribution, other_attribution), (jobs, other_jobs) = cluster.attribution, cluster.jobs
    first, second, third = cluster.workers
    return [
        Stopped(attribution),
        to_clients(cluster, Slowed, other_attribution),
        to_clients(cluster, Cut, attribution),
        to_clients(cluster, Swallowed, other_attribution),
        to_store(cluster, Swallowed, attribution),
        Stopped(jobs),
        to_clients(cluster, Cut, other_jobs),
        to_store(cluster, Cut, jobs),
        Stopped(first),
        to_store(cluster, Swallowed, second),
        to_store(cluster, Slowed, third),
        Stopped(cluster.store),
    ]

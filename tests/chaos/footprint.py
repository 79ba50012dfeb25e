"""What a process holds of its machine."""

import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True)
class Footprint:
    """Of one process with its children."""

    pids: tuple[int, ...]
    memory: int
    """Resident, bytes."""
    handles: int
    """Open files, sockets and pipes."""
    threads: int

    def __str__(self) -> str:
        return f"{self.memory / MIB:.0f} MiB, {self.handles} handles, {self.threads} threads"


def footprint(pids: list[int]) -> Footprint:
    """Of the processes together."""
    folders = [Path(f"/proc/{pid}") for pid in pids]
    pages = sum(int((folder / "statm").read_text().split()[1]) for folder in folders)
    return Footprint(
        pids=tuple(pids),
        memory=pages * os.sysconf("SC_PAGE_SIZE"),
        handles=sum(len(list((folder / "fd").iterdir())) for folder in folders),
        threads=sum(len(list((folder / "task").iterdir())) for folder in folders),
    )

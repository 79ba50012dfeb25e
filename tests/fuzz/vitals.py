"""What a process holds."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Vitals:
    """At one moment."""

    megabytes: float
    """Resident."""
    handles: int
    """Open files and sockets."""
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        process = Path(f"/proc/{pid}")
        fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return cls(
            megabytes=int(fields["VmRSS"].split()[0]) / 1024,
            handles=len(list((process / "fd").iterdir())),
            threads=int(fields["Threads"]),
        )

    def __str__(self) -> str:
        return f"{self.megabytes:.0f} MB, {self.handles} handles, {self.threads} threads"

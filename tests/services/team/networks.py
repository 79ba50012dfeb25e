"""A team's own networks, for servers under test. Marks in the pictures say what a pass does.

A server finds them with this folder on its PYTHONPATH, as `networks:guarded` and so on.
"""

import os
import time
from pathlib import Path

import torch
from torch import Tensor, nn

SIZE = 32
CLASSES = 5
CURSED = 666.0
"""A picture that begins with this value makes the pass raise."""
GATED = 1000.0
"""A picture that begins with GATED + n holds the pass until there is a file n in the folder of gates."""
LONGEST_WAIT = 120.0


class Guarded(nn.Module):
    """A small classifier that heeds the marks, and carries at most so many pictures at once."""

    def __init__(self, gates: Path, carries: int) -> None:
        super().__init__()
        self.gates = gates
        self.carries = carries
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.classifier = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        marks = images[:, 0, 0, 0].tolist()
        for mark in marks:
            if mark >= GATED:
                wait_for_file(self.gates / str(int(mark - GATED)))
        if CURSED in marks:
            raise ValueError("this picture is cursed")
        if len(images) > self.carries:
            raise torch.OutOfMemoryError(f"{len(images)} pictures are too many")
        scores: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return scores


def guarded(gates: str = "", carries: int = 1000) -> nn.Module:
    return Guarded(Path(gates), carries)


def slow(gates: str, gate: str) -> nn.Module:
    """Takes until there is a file `gate`, with {replica} for the server's own name."""
    wait_for_file(Path(gates) / gate.format(replica=os.environ.get("CONVSCOPE_REPLICA", "")))
    return guarded(gates)


def broken(message: str) -> nn.Module:
    raise ValueError(message)


def late(gates: str, gate: str) -> nn.Module:
    """Raises until there is a file `gate`."""
    if not (Path(gates) / gate).exists():
        raise ValueError(f"{gate} is not there yet")
    return guarded(gates)


def wait_for_file(path: Path) -> None:
    """Raises TimeoutError, so that no process stays for ever."""
    end = time.monotonic() + LONGEST_WAIT
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"nobody made {path}")
        time.sleep(0.002)

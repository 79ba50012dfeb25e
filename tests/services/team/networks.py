"""A team's own networks, for servers under test. Marks in the pictures say what a pass does.

A server finds them with this folder on its PYTHONPATH, as `networks:guarded` and so on.
"""

import math
import os
import time
from collections.abc import Callable
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


class Paced(Guarded):
    """Notes how many pictures each pass has, a line each in the file `passes`. The file `hold`, where there is one,
    says how many passes may go on."""

    def forward(self, images: Tensor) -> Tensor:
        size, notes = len(images), self.gates / "passes"
        with notes.open("a") as file:
            file.write(f"{size}\n")
        begun = len(notes.read_text().splitlines())
        wait_until(lambda: begun <= self._allowed(), "the hold to end")
        return super().forward(images)

    def _allowed(self) -> float:
        try:
            return int((self.gates / "hold").read_text())
        except FileNotFoundError:
            return math.inf


def paced(gates: str) -> nn.Module:
    return Paced(Path(gates), carries=1000)


class Attentive(nn.Module):
    """A small vision transformer: sixteen patches behind a class token."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, SIZE // 4, SIZE // 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.Sequential(*(AttentiveBlock(width) for _ in range(2)))
        self.classifier = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), -1, -1), tokens], dim=1)
        scores: Tensor = self.classifier(self.blocks(tokens)[:, 0])
        return scores


class AttentiveBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.norm(tokens)
        attended, _ = self.attention(normed, normed, normed, need_weights=False)
        return tokens + torch.as_tensor(attended)


def attentive() -> nn.Module:
    return Attentive()


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
    wait_until(path.exists, str(path))


def wait_until(found: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LONGEST_WAIT
    while not found():
        if time.monotonic() > end:
            raise TimeoutError(f"waited too long for {what}")
        time.sleep(0.002)

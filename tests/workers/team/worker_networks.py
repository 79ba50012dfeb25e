"""Networks for workers under test; found with this folder on PYTHONPATH, as `worker_networks:small` and so on."""

import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

CLASSES = 5


class Small(nn.Module):
    """A classifier whose pass takes a millisecond, or as long as it is told to."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.classifier = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        if images.requires_grad:  # a step, and not the pass that looks at the layers
            self.in_step()
        scores: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return scores

    def in_step(self) -> None:
        time.sleep(self.seconds)


class Crashing(Small):
    """Takes its whole process down, as an operating system does that has no memory left."""

    def in_step(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Hungry(Small):
    """Asks for more memory than there is."""

    def in_step(self) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 TiB")


class Steady(Small):
    """Takes a moment for a batch, however small, and notes each in a file."""

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[0] > 1:
            time.sleep(0.1)
            with Path(os.environ["STEADY_PASSES"]).open("a", encoding="utf-8") as file:
                file.write(f"{os.getpid()} {images.shape[0]}\n")
        return super().forward(images)


def steady() -> nn.Module:
    return Steady()


def small() -> nn.Module:
    return Small()


def slow(milliseconds: int = 20) -> nn.Module:
    return Small(milliseconds / 1000)


def crashing() -> nn.Module:
    return Crashing()


def hungry() -> nn.Module:
    return Hungry()

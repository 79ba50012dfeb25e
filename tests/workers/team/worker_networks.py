"""Networks for workers under test; found with this folder on PYTHONPATH, as `worker_networks:small` and so on."""

import os
import signal
import time

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


def small() -> nn.Module:
    return Small()


def slow(milliseconds: int = 20) -> nn.Module:
    return Small(milliseconds / 1000)


def crashing() -> nn.Module:
    return Crashing()


def hungry() -> nn.Module:
    return Hungry()

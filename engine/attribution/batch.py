"""Pictures to explain, with the network that they are explained for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from convscope.engine.attribution.forward_pass import ForwardPass
from convscope.engine.attribution.target import Output, Targets
from convscope.engine.models.layers import LayerMap, remembered_layers
from convscope.engine.models.preprocessing import Preprocessing

Progress = Callable[[int, int], None]
"""Told (done, in all) before each internal batch of a long method; what it raises ends the method."""


def unwatched(done: int, total: int) -> None:
    """Nobody looks at the progress."""


@dataclass(frozen=True, eq=False)
class Batch:
    """N pictures and what is asked of each."""

    module: nn.Module
    images: Tensor
    """Float [N, 3, H, W], preprocessed."""
    targets: Targets
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    """What made the images of pixels; methods that fill in a colour need it."""
    progress: Progress = unwatched

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def layers(self) -> LayerMap:
        return remembered_layers(self.module, self.images)

    def with_targets(self, targets: Targets) -> "Batch":
        return replace(self, targets=targets)

    def take(self, rows: Sequence[int]) -> "Batch":
        """Some pictures of the batch, which may repeat."""
        return replace(self, images=self.images[list(rows)], targets=self.targets.take(rows))

    def alone(self, row: int) -> "Batch":
        """One picture of the batch, whose progress is told as a part of the whole batch's."""

        def progress(done: int, total: int) -> None:
            self.progress(row * total + done, len(self) * total)

        return replace(self.take([row]), progress=progress)

    def reading(self, output: Output) -> "Batch":
        """The same, with targets that read `output` where they do not say."""
        return self.with_targets(self.targets.by_default(output))

    @property
    def observed(self) -> list[str]:
        """The layers that targets read."""
        return [self.targets.layer] if self.targets.layer else []

    @torch.no_grad()
    def values(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """What the targets of `rows` are for other pictures in their place, by a bare pass: [len(rows)]."""
        run = ForwardPass(self.module, images, self.layers, observe=self.observed)
        return run.values(self.targets.take(rows))

"""What can be seen of a synthesis."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine.errors import InvalidParameter


@dataclass(frozen=True)
class Progress:
    """How far a synthesis is. Nothing has been scored before the first step: the numbers are NaN."""

    step: int
    """Steps done."""
    total: int
    loss: float
    """What is descended, the mean over the pictures: the penalties less the score. As the last step found it, before
    it moved the pictures."""
    scores: tuple[float, ...]
    """Of each picture, as the last step found it: a class's score before the softmax, half the squared norm of a layer,
    or the sum of a guide's dot products."""


@dataclass(frozen=True)
class State:
    """A synthesis after some step. It stays what it is while the synthesis goes on; what is asked of it is copied to
    the host then."""

    step: int
    """Steps done."""
    total: int
    variables: Tensor
    """On the device."""
    row: Tensor
    """[1 + N] on the device: the loss and each picture's score, as Progress has them."""
    show: Callable[[Tensor], Tensor]
    """The variables as pictures, [N, 3, H, W]."""

    def progress(self) -> Progress:
        """Raises InvalidParameter (field `step_size`) where the ascent has run away to infinity."""
        loss, *scores = self.row.tolist()
        if self.step and not np.isfinite([loss, *scores]).all():
            raise self._run_away()
        return Progress(self.step, self.total, loss, tuple(scores))

    def values(self) -> NDArray[np.float32]:
        """The pictures, [N, H, W, 3], red, green and blue, clipped to 0..1. Raises as progress()."""
        with torch.no_grad():
            shown = self.show(self.variables).permute(0, 2, 3, 1).float().cpu().numpy()
        if not np.isfinite(shown).all():
            raise self._run_away()
        return np.ascontiguousarray(np.clip(shown, 0, 1))

    def pictures(self) -> list[Image.Image]:
        """values() as 8-bit RGB."""
        return [Image.fromarray((255 * picture).round().astype(np.uint8)) for picture in self.values()]

    def _run_away(self) -> InvalidParameter:
        message = f"the pictures are no longer finite after {self.step} steps; take a smaller step_size"
        return InvalidParameter(message, field="step_size")

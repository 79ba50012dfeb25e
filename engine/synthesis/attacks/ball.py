"""Pictures that are near another one, within the range of pixels."""

from typing import Literal

import torch
from torch import Tensor

# Rounds of shrinking until whole levels lie in a Euclidean ball.
_ROUNDS = 8


class Ball:
    """Of L-infinity or L2, in grey levels about a picture; infinite: only the range of pixels."""

    def __init__(self, norm: Literal["linf", "l2"], radius: float) -> None:
        """radius: grey levels."""
        self._norm = norm
        # Whole levels further away would leave the ball.
        self._radius = radius // 1 if norm == "linf" and radius != float("inf") else radius

    def inside(self, variables: Tensor, original: Tensor) -> Tensor:
        """The nearest points."""
        change = variables - original
        if self._norm == "linf":
            change = change.clamp(-self._radius, self._radius)
        elif self._radius != float("inf"):
            change = change * (self._radius / _norms(change)).clamp(max=1)
        return (original + change).clamp(0, 255)

    def rounded(self, variables: Tensor, original: Tensor) -> Tensor:
        """Whole levels near points inside, inside too."""
        change = variables - original
        whole = change.round()
        if self._norm == "l2" and self._radius != float("inf"):
            scale = torch.ones_like(_norms(whole))
            for _ in range(_ROUNDS):
                scale = scale * (self._radius / _norms(whole)).clamp(max=1)
                whole = (scale * change).round()
            whole = torch.where(_norms(whole) > self._radius, (scale * change).trunc(), whole)
        return (original + whole).clamp(0, 255)

    def random(self, original: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Points inside: uniform in a cube; in a Euclidean ball in every direction alike."""
        shape = (count, *original.shape[1:])
        if self._norm == "linf":
            change = self._radius * (2 * torch.rand(shape, generator=generator) - 1)
        else:
            change = torch.randn(shape, generator=generator)
            part = torch.rand(count, generator=generator) ** (1 / change[0].numel())
            change = change * (self._radius * part.view(-1, 1, 1, 1) / _norms(change))
        return self.inside(original + change.to(original.device), original)

    def steepest(self, gradient: Tensor) -> Tensor:
        """The way of length 1 in this norm that a gradient rises most along."""
        return gradient.sign() if self._norm == "linf" else gradient / _norms(gradient)


def _norms(change: Tensor) -> Tensor:
    norms: Tensor = change.flatten(1).norm(dim=1).clamp_min(torch.finfo(change.dtype).tiny)
    return norms.view(-1, 1, 1, 1)

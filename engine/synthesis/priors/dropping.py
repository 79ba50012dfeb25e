"""Pixels that do little are set to the mean. Yosinski et al. 2015, section 3: small norm, small contribution."""

from torch import Tensor


class SmallNorm:
    """Drops the part of a picture's pixels whose norm over colours is smallest."""

    def __init__(self, part: float) -> None:
        self._part = part

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior."""
        return _without_least(variables, variables.square().sum(dim=1, keepdim=True), self._part)


class SmallContribution:
    """Drops those whose |x dS/dx|, summed over colours, is smallest: the score would hardly miss them."""

    def __init__(self, part: float) -> None:
        self._part = part

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior. Raises ValueError where there is no gradient."""
        if gradient is None:
            raise ValueError("without a gradient no pixel contributes")
        return _without_least(variables, (variables * gradient).sum(dim=1, keepdim=True).abs(), self._part)


def _without_least(pictures: Tensor, weights: Tensor, part: float) -> Tensor:
    """weights: [N, 1, H, W]."""
    flat = weights.flatten(1)
    dropped = int(part * flat.shape[1])
    if not dropped:
        return pictures
    least = flat.kthvalue(dropped, dim=1).values.view(-1, 1, 1, 1)
    return pictures * (weights > least)

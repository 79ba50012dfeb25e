"""Pixels shrink towards the mean. Yosinski et al. 2015, section 3: L2 decay."""

from torch import Tensor


class Decay:
    """Takes a part of each number off."""

    def __init__(self, part: float) -> None:
        self._kept = 1 - part

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior."""
        return variables * self._kept

"""Pixels stay between black and white."""

from torch import Tensor


class Bounds:
    """Clips each number."""

    def __init__(self, lowest: Tensor, highest: Tensor) -> None:
        """In a shape that fits the pictures."""
        self._lowest, self._highest = lowest, highest

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior."""
        return variables.clamp(self._lowest, self._highest)

"""lambda |I|^2 of Simonyan, Vedaldi & Zisserman 2013, equation 1."""

from torch import Tensor


class SquaredNorm:
    """The squared norm of each picture, in units of the network's input, where zero is the mean picture."""

    def __init__(self, weight: float) -> None:
        self._weight = weight

    def __call__(self, images: Tensor) -> Tensor:
        """As Regularizer."""
        return self._weight * images.square().sum(dim=(1, 2, 3))

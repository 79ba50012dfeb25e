"""What a code was before noise came over it: R of Nguyen et al. 2017, "Plug & Play Generative Networks", section 3.3.

R(h) - h is, but for a factor, the gradient of the logarithm of how likely the code h is (Alain & Bengio 2014).
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from convscope.engine.generation.codes import tamed


class FeatureDenoiser(nn.Module):
    """Narrow in its middle, so that it has to learn what goes together. At each place of a grid it sees the neighbours
    too."""

    def __init__(self, code: tuple[int, int, int], hidden: Sequence[int]) -> None:
        """code: channels, height, width. hidden: channels in between."""
        super().__init__()
        channels, rows, columns = code
        self.grid = rows * columns > 1
        size = 3 if self.grid else 1
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for place, (inputs, outputs) in enumerate(pairwise([channels, *hidden, channels])):
            parts[f"layer{place}"] = nn.Conv2d(inputs, outputs, size, padding=size // 2)
            if place < len(hidden):
                # Without it real codes, a few numbers of which are far from all others, throw the training over.
                parts[f"norm{place}"] = nn.BatchNorm2d(outputs)
                parts[f"activation{place}"] = nn.LeakyReLU(0.1)
        self.layers = nn.Sequential(parts)

    def forward(self, codes: Tensor) -> Tensor:
        """[N, channels, height, width], in standard deviations about the mean, to the same."""
        clean: Tensor = self.layers(tamed(codes) if self.grid else codes)
        return clean

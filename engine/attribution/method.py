"""What a method is, and what it gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.evidence import Evidence, Need
from convscope.engine.attribution.parameters import MethodParameters
from convscope.engine.attribution.segmentation import Segmentation
from convscope.engine.attribution.target import Targets
from convscope.engine.imaging.heatmap import Reduction


@dataclass(frozen=True, eq=False)
class Attribution:
    """A batch of explanations, with what the pass gave anyway."""

    values: Tensor
    """Signed, [N, channels, height, width]: 3 at the images' size for methods that tell the colours apart, 1 at it for
    those that do not, 1 at the layer's for those that look at a layer."""
    scores: Tensor
    """The class scores before the softmax, [N, classes]."""
    targets: Targets
    """What each explanation is for, the top class named."""
    explained: Tensor
    """What the targets are for each image, [N]."""
    convergence_error: Tensor | None = None
    """By how much the sum of the attribution misses what it should sum to, [N]; None: it promises no sum."""
    segmentations: Sequence[Segmentation] = ()
    """Of `segment`, one for each image."""


@dataclass(frozen=True)
class PassMethod:
    """A method that needs one forward pass and at most one backward pass; it may share them with others."""

    function: Callable[[Evidence, Any], Tensor]
    """The values, [N, channels, height, width]."""
    parameters: type[MethodParameters]
    needs: tuple[Need, ...]
    reduction: Reduction = "sum"

    @property
    def looks_at_layer(self) -> bool:
        return any(need.of_layer for need in self.needs)

    @property
    def to_pixels(self) -> bool:
        """Whether it takes gradients by the pixels. They are steep: rounding that turns one ReLU over can be seen."""
        return not {Need.GRADIENT, Need.DECONVNET, Need.GUIDED}.isdisjoint(self.needs)

    @property
    def is_gradient(self) -> bool:
        """Whether it looks at a gradient."""
        return not {Need.ACTIVATION, Need.ATTENTION}.issuperset(self.needs)


@dataclass(frozen=True)
class ScanMethod:
    """A method that runs many changed versions of a picture, in batches that the memory sets."""

    function: Callable[[Batch, Any], Attribution]
    parameters: type[MethodParameters]
    reduction: Reduction = "sum"
    to_pixels: bool = False
    """Whether it takes gradients by the pixels. They are steep: rounding that turns one ReLU over can be seen."""


Method = PassMethod | ScanMethod

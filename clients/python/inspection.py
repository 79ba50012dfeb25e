"""What calls return that look into a network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.client.images import to_picture
from convscope.client.results import Prediction, Region
from convscope.engine.imaging.activation_grid import activation_grid
from convscope.engine.imaging.box import whole_pixels
from convscope.engine.imaging.filter_grid import filter_grid
from convscope.engine.imaging.tiles import Normalization
from convscope.v1.image_pb2 import Image


@dataclass(frozen=True)
class Filters:
    """The weights of a convolution."""

    weights: NDArray[np.float32] = field(repr=False)
    """[outputs, inputs, height, width]."""
    model: str
    layer: str
    outputs: tuple[int, ...] = field(repr=False)
    """The filters that they are of, by number."""
    inputs: tuple[int, ...] = field(repr=False)
    """The input channels that they are of, by number, within the group of each filter."""
    groups: int = 1
    output_count: int = 0
    """Filters of the layer in all."""
    input_count: int = 0
    """Input channels of a filter in all."""

    def __str__(self) -> str:
        return f"{self.layer} of {self.model}: {' x '.join(map(str, self.weights.shape))}"

    def grid(self, *, normalization: Normalization = "each", colormap: str = "gray") -> PillowImage.Image:
        """All filters: of three input channels a coloured tile each, else a row each with a tile an input channel.

        normalization: each, by the smallest and largest weight of a filter; common, by those of all. Raises
        InvalidInput for a drawing that would be too large.
        """
        return filter_grid(
            self.weights,
            self.outputs,
            self.inputs,
            normalization=normalization,
            colormap=colormap,
            rgb=self.input_count == 3,
        )


@dataclass(frozen=True)
class Activation:
    """What a layer answered to a picture."""

    values: NDArray[np.float32] = field(repr=False)
    """[channels, height, width]; of a layer without a grid of places in its own shape, channels first."""
    model: str
    layer: str
    channels: tuple[int, ...] = field(repr=False)
    """The channels that they are of, by number, in the order asked for."""
    channel_count: int
    """Channels of the layer in all."""
    image: Image = field(repr=False)
    """As it was sent."""
    region: Region = field(repr=False)
    """The part (left, top, right, bottom) of the upright original that the model saw."""

    def __str__(self) -> str:
        return f"{self.layer}: {' x '.join(map(str, self.values.shape))}"

    @cached_property
    def seen(self) -> PillowImage.Image | None:
        """The part of the picture that the model saw; None for a preprocessed one."""
        picture = to_picture(self.image)
        return None if picture is None else picture.crop(whole_pixels(self.region))

    def grid(self, *, normalization: Normalization = "each", colormap: str = "gray") -> PillowImage.Image:
        """The picture, beside it the channels in their order.

        normalization: each, by the smallest and largest value of a channel; common, by those of all. Raises
        InvalidInput for a drawing that would be too large.
        """
        return activation_grid(
            self.values,
            self.channels,
            picture=self.seen,
            title=f"{self.model}, {self.layer}",
            normalization=normalization,
            colormap=colormap,
        )


@dataclass(frozen=True)
class Activations(Sequence[Activation]):
    """What layers answered to a picture, in the order asked for."""

    activations: tuple[Activation, ...]
    predictions: tuple[Prediction, ...]
    """The most probable classes, best first."""
    region: Region
    """The part (left, top, right, bottom) of the upright original that the model saw."""

    def __len__(self) -> int:
        return len(self.activations)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.activations[index]

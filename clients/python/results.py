"""What calls return."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.client.errors import InvalidArgument
from convscope.client.images import to_picture
from convscope.engine.imaging.box import heatmap_box
from convscope.engine.imaging.colormap import COLORMAPS
from convscope.engine.imaging.comparison import Panel, comparison_sheet
from convscope.engine.imaging.cutout import cutout
from convscope.engine.imaging.decode import to_rgb
from convscope.engine.imaging.heatmap import Reduction, to_heatmap
from convscope.engine.imaging.overlay import OPACITY, overlay
from convscope.v1.image_pb2 import Image

Region = tuple[float, float, float, float]
Box = tuple[int, int, int, int]


SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".npy")


def check_destination(path: str | Path) -> None:
    """Raises InvalidArgument for a name that is none of a picture or of values."""
    if Path(path).suffix not in SUFFIXES:
        message = f"{path} must end in one of {', '.join(SUFFIXES)}"
        raise InvalidArgument(message, field="output", reason="UNKNOWN_FORMAT")


def check_picture_destination(path: str | Path) -> None:
    """Raises InvalidArgument for a name that is none of a picture."""
    if Path(path).suffix == ".npy":
        raise InvalidArgument(f"{path} must be the name of a picture", field="output", reason="UNKNOWN_FORMAT")
    check_destination(path)


@dataclass(frozen=True)
class Prediction:
    """A class with what the model gave it."""

    index: int
    """Position in the model's output."""
    label: str
    """Name; the index in digits where the model has no labels."""
    score: float
    """Before the softmax."""
    probability: float
    """After it."""

    def __str__(self) -> str:
        return f"{self.label} {self.probability:.1%}"


@dataclass(frozen=True)
class Classification(Sequence[Prediction]):
    """The most probable classes, best first."""

    predictions: tuple[Prediction, ...]
    region: Region
    """The part (left, top, right, bottom) of the upright original that the model saw."""

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.predictions[index]


@dataclass(frozen=True)
class Layer:
    """A layer of a model."""

    name: str
    """Dotted name: layer4.2."""
    type: str
    """Class of the module: Conv2d."""
    output_shape: tuple[int, ...]
    """For one picture, without the batch: (512, 7, 7)."""
    calls: int
    """How often one forward pass runs it."""


@dataclass(frozen=True)
class Replica:
    """Where a model stands in one replica of the server."""

    name: str
    state: str
    """unloaded, loading, loaded or failed."""
    message: str
    """Why it failed."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a model's input: scale the shorter side to `resize`, crop the middle, scale to 0..1, take
    off the mean, divide by the std."""

    resize: int
    height: int
    width: int
    interpolation: str
    """nearest, bilinear or bicubic; antialiased."""
    mean: tuple[float, ...]
    """Of red, green, blue."""
    std: tuple[float, ...]
    """Of red, green, blue."""


@dataclass(frozen=True)
class Model:
    """A model of the catalogue; the fields from `weights_digest` on are filled once it is loaded."""

    name: str
    description: str
    state: str
    """unloaded, loading, loaded or failed; in the replica that answered."""
    replicas: tuple[Replica, ...] = ()
    weights_digest: str = ""
    preprocessing: Preprocessing | None = None
    class_count: int = 0
    parameter_count: int = 0
    suggested_layer: str = ""
    """The layer that Grad-CAM uses where none is named."""
    device: str = ""
    task: str = ""
    """What it does with a picture: classify, caption or vqa."""
    labels: tuple[str, ...] = field(default=(), repr=False)
    layers: tuple[Layer, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Segmentation:
    """The thing that a map points to, in the frame of the model's input."""

    box: Box | None
    """(left, top, right, bottom) around the mask, right and bottom just outside; None where it is empty."""
    outlines: tuple[tuple[tuple[int, int], ...], ...]
    """A closed polygon of (x, y) for each part of the mask, the largest first."""
    heatmap_box: Box | None
    """Around the largest connected part of the map over 15 % of its maximum."""
    note: str = ""
    """Why the mask is empty."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """Which pixels made the model say `target`."""

    values: NDArray[np.floating]
    """Signed, [channels, height, width] in the method's own shape: [1, H, W] for saliency, [1, h, w] of the layer for
    grad_cam, [3, H, W] for methods that tell the colours apart."""
    method: str
    model: str
    target: Prediction | None
    """The class that was explained, of several the first; None for a unit."""
    target_name: str
    """What was explained, in words: tabby, tabby - tiger cat, layer4[12]."""
    explained: float
    """The number that was explained: a score, a probability, an activation."""
    predictions: tuple[Prediction, ...]
    """The most probable classes or answers, best first; of a caption its words, in their order."""
    region: Region
    """The part (left, top, right, bottom) of the upright original that the model saw."""
    input_size: tuple[int, int]
    """Height and width of the model's input."""
    layer: str = ""
    """The layer that the method looked at; empty for none."""
    reduction: Reduction = "sum"
    """How the channels become the heatmap: sum, or largest magnitude."""
    convergence_error: float | None = None
    """By how much the sum of the values misses what it should be; None for methods that promise no sum."""
    segmentation: Segmentation | None = None
    """Of the method segment."""
    sentence: str = ""
    """The caption of which words were explained, or the question that was answered; empty for other targets."""
    precision: str = "float32"
    """What the network computed in."""
    cached: bool = False
    """Whether the server had the answer already."""
    image: Image = field(default_factory=Image, repr=False)
    """The picture as it was sent."""

    @cached_property
    def heatmap(self) -> NDArray[np.float32]:
        """float32 [H, W] in the frame of the model's input; signed where the reduction is a sum."""
        return to_heatmap(self.values, *self.input_size, self.reduction)

    def box(self, threshold: float = 0.15) -> Box | None:
        """(left, top, right, bottom) in the frame of the model's input, around the largest connected part of the
        heatmap over `threshold` of its maximum, as the Grad-CAM paper finds an object; None where there is no
        evidence. Raises InvalidArgument."""
        if not 0 <= threshold < 1:
            message = f"threshold must be 0 to 1, and below 1, not {threshold}"
            raise InvalidArgument(message, field="threshold", reason="OUT_OF_RANGE")
        return heatmap_box(self.heatmap, threshold)

    def __str__(self) -> str:
        """What was explained, with its probability where it is one class."""
        if self.target is not None and self.target_name == self.target.label:
            return str(self.target)
        return self.target_name

    @cached_property
    def picture(self) -> PillowImage.Image | None:
        """The upright original; None where a preprocessed array was sent."""
        return to_picture(self.image)

    def overlay(
        self, *, opacity: float = OPACITY, colormap: str = "turbo", picture: PillowImage.Image | None = None
    ) -> PillowImage.Image:
        """The heatmap on the whole original picture; what the model did not see is darkened. Of a segmentation, what
        the mask keeps.

        opacity: of the heatmap's strongest places, 0 to 1. picture: draw on this one instead, needed where a
        preprocessed array was sent. Raises InvalidArgument.
        """
        if not 0 <= opacity <= 1:
            raise InvalidArgument(f"opacity must be 0 to 1, not {opacity}", field="opacity", reason="OUT_OF_RANGE")
        if colormap not in COLORMAPS:
            message = f"unknown colormap {colormap!r}; known: {', '.join(COLORMAPS)}"
            raise InvalidArgument(message, field="colormap", reason="UNKNOWN_COLORMAP")
        under = self.picture if picture is None else to_rgb(picture)
        if under is None:
            message = "a preprocessed array has no picture to draw on; give one: overlay(picture=...)"
            raise InvalidArgument(message, field="picture", reason="NO_PICTURE")
        width, height = self.picture.size if self.picture is not None else self.input_size[::-1]
        scale_x, scale_y = under.width / width, under.height / height
        left, top, right, bottom = self.region
        region = (left * scale_x, top * scale_y, right * scale_x, bottom * scale_y)
        if self.segmentation is not None:
            return cutout(under, self.heatmap, region)
        return overlay(under, self.heatmap, region, opacity=opacity, colormap=colormap)

    def save(self, path: str | Path) -> None:
        """Write the overlay (.png, .jpg, .webp) or the values (.npy)."""
        check_destination(path)
        if Path(path).suffix == ".npy":
            np.save(path, self.values)
        else:
            self.overlay().save(path)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows."""
        if self.picture is None:
            return None
        file = BytesIO()
        self.overlay().save(file, "PNG")
        return file.getvalue()


@dataclass(frozen=True, eq=False)
class Comparison(Sequence[Attribution]):
    """Several explanations of one picture, in the order of the variants."""

    attributions: tuple[Attribution, ...]

    def __len__(self) -> int:
        return len(self.attributions)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.attributions[index]

    def contact_sheet(self, *, opacity: float = OPACITY, colormap: str = "turbo") -> PillowImage.Image:
        """The picture and every explanation on one labelled sheet. Raises InvalidArgument."""
        return _sheet(self.attributions, ("",) * len(self), opacity=opacity, colormap=colormap)


@dataclass(frozen=True, eq=False)
class FailureAnalysis:
    """What spoke for what the model said, and for the truth."""

    correct: bool
    """Whether the model's top class is the truth."""
    said: Attribution
    """For the class with the highest score."""
    truth: Attribution
    """For the true class."""

    def contact_sheet(self, *, opacity: float = OPACITY, colormap: str = "turbo") -> PillowImage.Image:
        """The picture, what was said and the truth side by side, with both probabilities. Raises InvalidArgument."""
        return _sheet((self.said, self.truth), ("said", "truth"), opacity=opacity, colormap=colormap)


def _sheet(
    attributions: Sequence[Attribution], roles: Sequence[str], *, opacity: float, colormap: str
) -> PillowImage.Image:
    first = attributions[0]
    if first.picture is None:
        message = "a preprocessed array has no picture to draw on"
        raise InvalidArgument(message, field="picture", reason="NO_PICTURE")
    panels = [
        Panel(one.overlay(opacity=opacity, colormap=colormap), one.method, one.layer, str(one), role)
        for one, role in zip(attributions, roles, strict=True)
    ]
    title = str(first.predictions[0]) if first.predictions else ""
    return comparison_sheet(first.picture, title, panels)

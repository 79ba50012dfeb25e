"""What a generator is made of, in plain JSON. Needs no torch."""

from math import ceil
from typing import Annotated, Literal

from pydantic import Field

from convscope.engine.generation.presets import Preset
from convscope.engine.parameters import Parameters

Width = Annotated[int, Field(ge=1, le=65_536)]
Side = Annotated[int, Field(ge=1, le=4096)]
Shape = tuple[Width, Side, Side]
"""Channels, height, width."""

SMALLEST = 4
"""Side of the first map that a vector becomes, at least and less than twice that."""


class Stage(Parameters):
    """Doubles the sides of a map."""

    up: Width
    """Channels behind what doubles them."""
    conv: Annotated[int, Field(ge=0, le=65_536)]
    """Channels behind a second convolution; 0: there is none."""


class GeneratorShape(Parameters):
    """Of a code, [channels, height, width], to a picture."""

    code: Shape
    """A vector has height and width 1."""
    dense: Annotated[tuple[Width, ...], Field(max_length=8)] = ()
    """Lengths of linear layers behind a vector."""
    start: Shape
    """What becomes of the code before it grows."""
    stages: Annotated[tuple[Stage, ...], Field(max_length=12)]
    height: Side
    """Of the picture, cut out of the middle of what the last stage gives."""
    width: Side
    norm: bool
    """Whether batch norm follows each convolution but the last."""
    resize: bool
    """Whether a map's sides are doubled by interpolation with a convolution behind it, which leaves no checkerboard
    (Odena et al. 2016); else by an up-convolution, as in the paper."""
    tamed: bool = False
    """Whether codes that are longer than real ones are first made as long as those."""
    slope: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Of the leaky ReLUs, for negative numbers."""
    output: Literal["sigmoid", "caffe"] = "sigmoid"
    """What the last convolution gives: sigmoid: logits of red, green and blue, 0 to 1. caffe: blue, green and red,
    grey levels about ImageNet's mean."""


def generator_shape(preset: Preset, code: tuple[int, int, int], height: int, width: int) -> GeneratorShape:
    """For codes of a shape, and pictures of a size."""
    _, rows, columns = code
    vector = rows * columns == 1
    doublings = 1
    while not _covered(height, width, rows, columns, doublings, vector=vector):
        doublings += 1
    sides = (ceil(height / 2**doublings), ceil(width / 2**doublings)) if vector else (rows, columns)
    widths = [min(preset.widest, preset.width * 2**place) for place in range(doublings, -1, -1)]
    stages = [Stage(up=one, conv=one) for one in widths[1:-1]]
    return GeneratorShape(
        code=code,
        start=(widths[0], *sides),
        stages=(*stages, Stage(up=widths[-1], conv=3)),
        height=height,
        width=width,
        norm=True,
        resize=True,
        tamed=not vector,
    )


def _covered(height: int, width: int, rows: int, columns: int, doublings: int, *, vector: bool) -> bool:
    """Whether so many doublings are enough."""
    times = 1 << doublings
    if vector:
        return max(height, width) / times < 2 * SMALLEST
    return rows * times >= height and columns * times >= width

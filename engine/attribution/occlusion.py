"""Occlusion: how far the probability drops when a window of the picture is covered."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.fill import Fill, FillParameters, empty_pictures
from convscope.engine.attribution.forward_pass import ForwardPass
from convscope.engine.attribution.inner_batches import in_inner_batches
from convscope.engine.attribution.method import Attribution
from convscope.engine.errors import InvalidParameter
from convscope.engine.incremental import IncrementalForward, patched_copies

# Windows whose patches are held at once; how many are run at once follows from the memory.
AT_ONCE = 1024


class OcclusionParameters(FillParameters):
    """Parameters of `occlusion`."""

    fill: Fill = "grey"
    window: int = Field(default=32, ge=1, le=4096)
    """Side of the square window, pixels of the network's input."""
    stride: int = Field(default=16, ge=1, le=4096, validate_default=True)
    """Pixels from one window to the next, at most `window`; the last one ends where the picture does."""

    @field_validator("stride")
    @classmethod
    def _without_gaps(cls, stride: int, info: ValidationInfo) -> int:
        window = info.data.get("window", stride)
        if stride > window:
            numbers = {"stride": stride, "window": window}
            raise PydanticCustomError("stride", "{stride} is larger than window {window}: that leaves gaps", numbers)
        return stride


def occlusion(batch: Batch, parameters: OcclusionParameters) -> Attribution:
    """f(x) - f(x with the window covered), its mean over the windows that cover a pixel, [N, 1, H, W], with f the
    probability unless the target says otherwise.

    Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2. Only what a window can
    reach is computed again ("incremental inference", Nakandala et al., SIGMOD 2019); the numbers are those of whole
    passes.
    """
    batch = batch.reading("probability")
    run = ForwardPass(batch.module, batch.images, batch.layers, observe=batch.observed)
    batch = batch.with_targets(batch.targets.resolve(run.scores))
    explained = run.values(batch.targets)
    tops, lefts = (_starts(length, parameters) for length in batch.images.shape[2:])
    places = [(top, left) for top in tops for left in lefts]
    drops = [explained[row] - _covered(batch.alone(row), places, parameters) for row in range(len(batch))]
    values = torch.stack([_laid_back(drop, places, parameters.window, batch.images) for drop in drops])
    return Attribution(values, run.scores, batch.targets, explained)


def _starts(length: int, parameters: OcclusionParameters) -> list[int]:
    """Where windows begin along a side. Raises InvalidParameter for a window that does not fit."""
    last = length - parameters.window
    if last < 0:
        message = (
            f"window must be at most {length}, the length of a side of the network's input, not {parameters.window}"
        )
        raise InvalidParameter(message, field="window")
    return [*range(0, last, parameters.stride), last]


def _covered(picture: Batch, places: Sequence[tuple[int, int]], parameters: OcclusionParameters) -> Tensor:
    """What the target of one picture is with the window covered at each place, [len(places)]."""
    size = parameters.window
    (empty,) = empty_pictures(picture, parameters)
    # Scores are all that the incremental pass gives.
    network = None if picture.observed else IncrementalForward(picture.module, picture.images)
    found = []
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        patches = torch.stack([empty[:, top : top + size, left : left + size] for top, left in some])
        tops, lefts = [top for top, _ in some], [left for _, left in some]

        def told(done: int, first: int = first) -> None:
            picture.progress(first + done, len(places))

        if network is None or not network.incremental:
            found.append(_in_full(picture, patches, some, told))
        else:
            scores = network.patched(patches, tops, lefts, told)
            found.append(picture.targets.take([0] * len(some)).values(scores))
    picture.progress(len(places), len(places))
    return torch.cat(found)


def _in_full(picture: Batch, patches: Tensor, places: Sequence[tuple[int, int]], told: Callable[[int], None]) -> Tensor:
    found = torch.empty(len(places), device=patches.device, dtype=patches.dtype)

    def cover(rows: range) -> None:
        some = slice(rows.start, rows.stop)
        copies = patched_copies(picture.images, patches[some], places[some])
        found[some] = picture.values(copies, [0] * len(rows))

    in_inner_batches(replace(picture, progress=lambda done, _: told(done)), len(places), cover, gradients=False)
    return found


def _laid_back(drops: Tensor, places: Sequence[tuple[int, int]], window: int, images: Tensor) -> Tensor:
    """The mean over the windows that cover a pixel, [1, H, W]."""
    total, count = (np.zeros(images.shape[2:]) for _ in range(2))
    for drop, (top, left) in zip(drops.tolist(), places, strict=True):
        total[top : top + window, left : left + window] += drop
        count[top : top + window, left : left + window] += 1
    return torch.from_numpy(total / count).to(drops).unsqueeze(0)

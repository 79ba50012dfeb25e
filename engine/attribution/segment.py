"""Segment: the thing that a map points to, cut out of the picture without ever having seen one cut out."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.explain import explain
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.parameters import MethodParameters
from convscope.engine.attribution.pass_methods import PASS_METHODS
from convscope.engine.attribution.segmentation import Outline, Segmentation
from convscope.engine.imaging.box import heatmap_box, mask_box
from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.models.layers import LayerMap

MAPS = ("saliency", "grad_cam")
# Of the shorter side, the deviation of the Gaussian that saliency is smoothed with: the scale of Grad-CAM's usual grid.
# A finer one leaves speckles, whose colours are as often those of what surrounds the thing.
SMOOTHING = 1 / 7
# By how many pixels an outline may miss the edge of its part.
SIMPLIFICATION = 1.0

# GrabCut is no faster on several threads, and they would get in the way of torch's.
cv2.setNumThreads(1)


class SegmentParameters(MethodParameters):
    """Parameters of `segment`."""

    map: str = "saliency"
    """The map that it starts from: saliency, as the paper does, or grad_cam, which finds the thing more often."""
    layer: str | None = None
    """The layer of grad_cam."""
    foreground: float = Field(default=0.95, gt=0, le=1)
    """Quantile of the map above which a pixel is surely of the thing."""
    background: float = Field(default=0.3, ge=0, lt=1, validate_default=True)
    """Quantile of the map up to which a pixel is surely not."""
    iterations: int = Field(default=5, ge=1, le=50)
    """Of GrabCut."""

    @field_validator("map")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in MAPS:
            raise ValueError(f"{name!r} is no map to start from; known: {', '.join(MAPS)}")
        return name

    @field_validator("background")
    @classmethod
    def _below_foreground(cls, background: float, info: ValidationInfo) -> float:
        foreground = info.data.get("foreground", 1)
        if background >= foreground:
            raise ValueError(f"{background} is not below foreground, {foreground}")
        return background

    def looks_at(self, layers: LayerMap) -> str:
        return self.of().looks_at(layers)

    def of(self) -> MethodParameters:
        """The parameters of the map. Raises InvalidParameter (field `layer`)."""
        values = {} if self.layer is None else {"layer": self.layer}
        return PASS_METHODS[self.map].parameters.parse(values)


def segment(batch: Batch, parameters: SegmentParameters) -> Attribution:
    """The mask, 1 within the thing and else 0, [N, 1, H, W]; box and outlines in `segmentations`.

    Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", section 3.2: where a map is high and where
    it is low are learned the colours of thing and rest, and a cut through the graph of pixels parts the two. The cut is
    GrabCut's (Rother, Kolmogorov & Blake 2004), as OpenCV has it; what is neither high nor low it decides, beginning
    with the upper half as the thing. Costs the map, and a quarter of a second for a picture of 224 x 224.
    """
    found = explain(batch, PASS_METHODS[parameters.map], parameters.of())
    height, width = batch.images.shape[2:]
    pictures = batch.preprocessing.denormalize(batch.images).permute(0, 2, 3, 1).cpu().numpy()
    masks, segmentations = [], []
    for row, (picture, values) in enumerate(zip(pictures, found.values.cpu().numpy(), strict=True)):
        batch.progress(row, len(batch))
        heatmap = _smoothed(to_heatmap(values, height, width), parameters)
        mask, note = _cut_out(picture, heatmap, parameters)
        masks.append(torch.from_numpy(mask))
        segmentations.append(Segmentation(mask_box(mask), _outlines(mask), heatmap_box(heatmap), note))
    batch.progress(len(batch), len(batch))
    values = torch.stack(masks).unsqueeze(1).to(found.values)
    return Attribution(values, found.scores, found.targets, found.explained, segmentations=segmentations)


def _smoothed(heatmap: NDArray[np.float32], parameters: SegmentParameters) -> NDArray[np.float32]:
    heatmap = np.nan_to_num(heatmap, posinf=0, neginf=0)
    # Grad-CAM is as coarse as its layer already. A map without shape gets none from the border's fading.
    if parameters.map == "grad_cam" or heatmap.min() == heatmap.max():
        return heatmap
    deviation = SMOOTHING * min(heatmap.shape)
    return np.asarray(cv2.GaussianBlur(heatmap, (0, 0), deviation, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)


def _cut_out(
    picture: NDArray[np.uint8], heatmap: NDArray[np.float32], parameters: SegmentParameters
) -> tuple[NDArray[np.bool_], str]:
    """The mask, [H, W], and where it is empty why."""
    seeds = seeds_of(heatmap, parameters.foreground, parameters.background)
    if not _is_thing(seeds).any():
        return _is_thing(seeds), "nothing in the map stands out from the rest"
    cv2.setRNGSeed(0)
    models = np.zeros((2, 1, 65))
    # The order of the colours is the same to it.
    cv2.grabCut(
        np.ascontiguousarray(picture),
        seeds,
        (0, 0, 0, 0),
        models[0],
        models[1],
        parameters.iterations,
        cv2.GC_INIT_WITH_MASK,
    )
    mask = _is_thing(seeds)
    return mask, "" if mask.any() else "GrabCut found nothing that differs from the rest"


def seeds_of(heatmap: NDArray[np.float32], foreground: float, background: float) -> NDArray[np.uint8]:
    """What GrabCut starts from, [H, W]: surely or probably the thing, or not."""
    low, middle, high = np.quantile(heatmap, (background, (background + foreground) / 2, foreground))
    seeds = np.where(heatmap > middle, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    seeds[heatmap > high] = cv2.GC_FGD
    seeds[heatmap <= low] = cv2.GC_BGD
    return seeds.astype(np.uint8)


def _is_thing(seeds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _outlines(mask: NDArray[np.bool_]) -> tuple[Outline, ...]:
    """Of each part that hangs together also across corners, the largest first; holes are not told."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest_first = sorted(contours, key=cv2.contourArea, reverse=True)
    polygons = [cv2.approxPolyDP(contour, SIMPLIFICATION, closed=True) for contour in largest_first]
    return tuple(tuple((int(x), int(y)) for ((x, y),) in polygon) for polygon in polygons)

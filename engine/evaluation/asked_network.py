"""A network with what is asked of a batch of pictures."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.batch import Progress
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.methods import METHODS
from convscope.engine.attribution.target import ClassTarget, Output, Targets
from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class MeasuredMethod:
    """A method with its parameters, as it stands in a report."""

    label: str
    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True, eq=False)
class AskedNetwork:
    """Takes pictures [N, 3, H, W], preprocessed; whatever picture it is shown, the targets stay."""

    module: nn.Module
    each: tuple[ClassTarget, ...]
    """What is asked of each picture, the top class named."""
    preprocessing: Preprocessing
    logarithms: bool
    """Whether the scores are log-probabilities of words, not scores of classes."""
    progress: Progress

    def explain(self, images: Tensor, method: MeasuredMethod) -> Attribution:
        """Raises what the method raises."""
        return attribute_fully(
            self.module, images, self.each, method.name,
            preprocessing=self.preprocessing, progress=self.progress, **method.parameters,
        )  # fmt: skip

    def heatmaps(self, images: Tensor, method: MeasuredMethod) -> list[NDArray[np.float32]]:
        """Signed, [H, W] each."""
        return heatmaps(self.explain(images, method), images, method)

    def signed(self, images: Tensor, method: MeasuredMethod) -> list[NDArray[np.float32]]:
        """The sum over the channels of an attribution, [h, w] each: what a heatmap of magnitudes does not tell."""
        return signed(self.explain(images, method))

    @torch.no_grad()
    def output(self, images: Tensor, read: Output) -> Tensor:
        """What is explained, where the targets do not say otherwise the score, or what `read` says: [N]."""
        return Targets(self.each, read).values(self.module(images))

    @torch.no_grad()
    def probability(self, images: Tensor, row: int) -> Tensor:
        """Of what one picture's target is, for any number of pictures in its place: [n]; of several classes the sum,
        of several words the product."""
        target = self.each[row]
        if self.logarithms:
            return Targets((target,) * len(images)).values(self.module(images)).exp()
        return Targets((replace(target, output="probability"),) * len(images)).values(self.module(images))


def heatmaps(attribution: Attribution, images: Tensor, method: MeasuredMethod) -> list[NDArray[np.float32]]:
    """What people are shown of an attribution, signed: [H, W] each."""
    height, width = images.shape[2:]
    reduction = METHODS[method.name].reduction
    return [to_heatmap(values.float().cpu().numpy(), height, width, reduction) for values in attribution.values]


def signed(attribution: Attribution) -> list[NDArray[np.float32]]:
    """See AskedNetwork.signed()."""
    return [values.float().sum(dim=0).cpu().numpy() for values in attribution.values]

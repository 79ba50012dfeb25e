"""Score-CAM: the channels of a layer, weighted by the score of the picture seen through each."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.class_activation import class_activation
from convscope.engine.attribution.forward_pass import ForwardPass
from convscope.engine.attribution.inner_batches import in_inner_batches
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.parameters import ClassActivationParameters


class ScoreCamParameters(ClassActivationParameters):
    """Parameters of `score_cam`."""

    masks: int | None = Field(default=None, ge=1, le=100_000)
    """Look through so many channels only, those with the highest activation; None: through all, as the paper does."""


def score_cam(batch: Batch, parameters: ScoreCamParameters) -> Attribution:
    """ReLU(sum_k softmax_k(S(x o H^k)) A^k), [N, 1, h, w] of the layer, with H^k the channel A^k upsampled
    bilinearly and scaled to 0..1.

    Wang et al. 2020, "Score-CAM", algorithm 1; the baseline's score falls out of the softmax. A constant channel hides
    everything. Costs a forward pass for each channel.
    """
    layer = parameters.looks_at(batch.layers)
    run = ForwardPass(batch.module, batch.images, batch.layers, observe=[layer, *batch.observed])
    batch = batch.with_targets(batch.targets.resolve(run.scores))
    activation = run.activation(layer)
    channels = _channels(activation, parameters.masks)
    looks, count = channels.shape[1], len(batch)
    dtype = torch.promote_types(run.scores.dtype, torch.float32)
    seen = torch.empty(count * looks, device=activation.device, dtype=dtype)

    def look(rows: range) -> None:
        of = [row // looks for row in rows]
        which = channels.flatten()[rows.start : rows.stop]
        masks = _scaled(F.interpolate(activation[of, which].unsqueeze(1), batch.images.shape[2:], mode="bilinear"))
        seen[rows.start : rows.stop] = batch.values(batch.images[of] * masks.to(batch.images.dtype), of)

    in_inner_batches(batch, count * looks, look, gradients=False)
    weights = seen.view(count, looks, 1, 1).softmax(dim=1)
    chosen = activation.gather(1, channels.view(count, looks, 1, 1).expand(-1, -1, *activation.shape[2:]))
    values = class_activation(weights, chosen, parameters)
    return Attribution(values, run.scores, batch.targets, run.values(batch.targets))


def _channels(activation: Tensor, masks: int | None) -> Tensor:
    """The channels to look through, [N, masks]."""
    count, channels = activation.shape[:2]
    if masks is None or masks >= channels:
        return torch.arange(channels, device=activation.device).expand(count, channels)
    return activation.amax(dim=(2, 3)).topk(masks, dim=1).indices


def _scaled(masks: Tensor) -> Tensor:
    """Each mask to 0..1; a constant one to 0."""
    lowest, highest = masks.amin(dim=(2, 3), keepdim=True), masks.amax(dim=(2, 3), keepdim=True)
    height = highest - lowest
    return (masks - lowest) / torch.where(height == 0, 1, height)

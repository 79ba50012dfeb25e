"""Attention rollout: where the class token of a vision transformer draws from, through all its attentions."""

import torch
from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import MethodParameters
from convscope.engine.errors import MethodUnsupported


class AttentionRolloutParameters(MethodParameters):
    """Parameters of `attention_rollout`."""


def attention_rollout(evidence: Evidence, parameters: AttentionRolloutParameters) -> Tensor:
    """The class token's row of the product of (A_l + I) / 2, A_l the mean over the heads, [N, 1, h, w].

    Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers". It is the same for every target. For networks of
    nn.MultiheadAttention with one class token before a grid of patches, such as ViT; MethodUnsupported for others.
    """
    if not evidence.attentions:
        raise MethodUnsupported("the network has no attention (nn.MultiheadAttention)", field="method")
    tokens = evidence.attentions[0].shape[-1]
    grid = evidence.token_grid(tokens)
    if grid is None or any(weights.shape[-2:] != (tokens, tokens) for weights in evidence.attentions):
        message = "its attentions do not all stand over one class token and one grid of patches"
        raise MethodUnsupported(message, field="method")
    identity = torch.eye(tokens, device=evidence.images.device)
    rollout = identity
    for weights in evidence.attentions:
        rollout = (weights.float().mean(dim=1) + identity) / 2 @ rollout
    return rollout[:, 0, 1:].reshape(-1, 1, *grid)

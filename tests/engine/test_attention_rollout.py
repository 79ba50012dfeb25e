"""Attention rollout multiplies the attentions of a vision transformer."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.errors import MethodUnsupported
from tests.engine.reference import TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding


def attention_of(part: nn.MultiheadAttention, tokens: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) by hand, the mean over the heads, for one image: [tokens, tokens]."""
    assert part.in_proj_weight is not None
    projected = tokens.double() @ part.in_proj_weight.double().T
    if part.in_proj_bias is not None:
        projected = projected + part.in_proj_bias.double()
    queries, keys, _ = projected.chunk(3, dim=1)
    size = part.head_dim
    total = torch.zeros(len(tokens), len(tokens), dtype=torch.float64)
    for head in range(part.num_heads):
        place = slice(head * size, (head + 1) * size)
        total += (queries[:, place] @ keys[:, place].T / size**0.5).softmax(dim=1) / part.num_heads
    return total


@torch.no_grad()
def paper(network: nn.Module, image: Tensor) -> Tensor:
    """0.5 A + 0.5 I of each layer, rows made to sum to one, multiplied: what the class token draws from each token."""
    tokens: list[tuple[nn.MultiheadAttention, Tensor]] = []

    def keep(part: nn.Module, args: Any, kwargs: Any) -> None:
        assert isinstance(part, nn.MultiheadAttention)
        tokens.append((part, (args[0] if args else kwargs["query"])[0].clone()))

    attentions = [part for part in network.modules() if isinstance(part, nn.MultiheadAttention)]
    handles = [part.register_forward_pre_hook(keep, with_kwargs=True) for part in attentions]
    network(image.unsqueeze(0))
    for handle in handles:
        handle.remove()
    rollout = torch.eye(len(tokens[0][1]), dtype=torch.float64)
    for part, at in tokens:
        mixed = 0.5 * attention_of(part, at) + 0.5 * torch.eye(len(at), dtype=torch.float64)
        rollout = mixed / mixed.sum(dim=1, keepdim=True) @ rollout
    return rollout[0]


class Patches(nn.Module):
    """A class token before 4 x 6 patches, and two attentions that are called in another way."""

    def __init__(self, way: str) -> None:
        torch.manual_seed(9)
        super().__init__()
        self.way = way
        self.project = nn.Conv2d(3, 8, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        layers: list[nn.Module] = []
        for _ in range(2):
            if way == "encoder":
                layers.append(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
            else:
                layers.append(nn.MultiheadAttention(8, 2, batch_first=True, bias=False))
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(8, 5)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        patches = self.project(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(patches), -1, -1), patches], dim=1)
        for layer in self.layers:
            match self.way:
                case "encoder":
                    tokens = layer(tokens)
                case "by position":
                    tokens = tokens + layer(tokens, tokens, tokens, None, False)[0]
                case _:
                    tokens = tokens + layer(query=tokens, key=tokens, value=tokens)[0]
        scores: Tensor = self.head(tokens[:, 0])
        return scores


def test_it_is_the_papers_map_for_every_image_of_a_batch(load: Load, inputs: Inputs) -> None:
    model = load("vit_b_16")
    images = inputs(model)[:2]
    rows = torch.stack([paper(model.module, image) for image in images])
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(2, dtype=torch.float64))
    found = attribute(model.module, images, TARGETS, "attention_rollout")
    assert_same_but_rounding(found, rows[:, 1:].reshape(2, 1, 14, 14))
    assert torch.equal(found, attribute(model.module, images, None, "attention_rollout"))


@pytest.mark.parametrize("way", ["by name", "by position", "encoder"])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_weights_are_had_however_a_network_calls_its_attention(frozen: bool, way: str) -> None:
    network = Patches(way).requires_grad_(not frozen)
    images = torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        before = network(images)
    found = attribute(network, images, None, "attention_rollout")
    expected = torch.stack([paper(network, image)[1:] for image in images])
    assert_same_but_rounding(found, expected.view(2, 1, 4, 6))
    with torch.no_grad():
        assert torch.equal(network(images), before)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


@pytest.mark.parametrize("network", ["resnet18", "swin_t"])
def test_a_network_without_such_attentions_is_refused(network: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    with pytest.raises(MethodUnsupported, match="no attention") as caught:
        attribute(model.module, inputs(model)[:1], 3, "attention_rollout")
    assert caught.value.field == "method"


@pytest.mark.parametrize("rows", [slice(None), slice(0, 2)])
def test_attentions_over_anything_but_a_class_token_and_patches_are_refused(rows: slice) -> None:
    class Bare(Patches):
        """No class token, or fewer tokens in the second attention."""

        def forward(self, images: Tensor) -> Tensor:
            tokens = self.project(images).flatten(2).transpose(1, 2)
            for layer in self.layers:
                tokens = layer(tokens, tokens, tokens)[0][:, rows]
            scores: Tensor = self.head(tokens.mean(dim=1))
            return scores

    with pytest.raises(MethodUnsupported, match="class token") as caught:
        attribute(Bare("by name"), torch.randn(1, 3, 8, 12), 3, "attention_rollout")
    assert caught.value.field == "method"

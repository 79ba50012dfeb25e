"""Layer-CAM weighs every place of every channel by its own gradient."""

import pytest
import torch
from torch import Tensor
from torchcam.methods import LayerCAM

from convscope.engine import attribute
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load, Shown, Shows, show
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import for_peers, precise


def paper(shown: Shown) -> Tensor:
    """Equations 6 to 8 before the last ReLU, channel by channel: [1, h, w]."""
    total = torch.zeros(shown.activation.shape[1:], dtype=torch.float64)
    for activation, gradient in zip(shown.activation.double(), shown.gradient.double(), strict=True):
        total += torch.where(gradient > 0, gradient, 0) * activation
    return total.unsqueeze(0)


@pytest.mark.parametrize("network", SUGGESTED)
def test_it_is_the_papers_map_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    module, images = precise(network, load, inputs)
    expected = torch.stack([paper(one) for one in shown(network)])
    assert_same_but_rounding(attribute(module, images, TARGETS, "layer_cam", relu=False), expected)


@pytest.mark.parametrize(("network", "layer"), [("resnet18", "layer1"), ("efficientnet_lite0", "blocks.2")])
def test_early_layers_serve_too(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    pairs = zip(images, TARGETS, strict=True)
    expected = torch.stack([paper(show(module, layer, image, target)) for image, target in pairs])
    found = attribute(module, images, TARGETS, "layer_cam", layer=layer, relu=False)
    assert [4 * side for side in found.shape[2:]] == list(images.shape[2:])
    assert_same_but_rounding(found, expected)
    assert differs(found, attribute(module, images, TARGETS, "grad_cam", layer=layer, relu=False))


@pytest.mark.parametrize(
    ("network", "layer"), [("alexnet", "features.11"), ("resnet18", "layer4"), ("resnet18", "layer2")]
)
def test_it_is_torchcams(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    with LayerCAM(module, layer) as extractor:
        scores = module(images.clone().requires_grad_())
        (expected,) = extractor(class_idx=TARGETS, scores=scores, normalized=False)
    found = attribute(module, images, TARGETS, "layer_cam", layer=layer)
    assert_same_but_rounding(found, expected.detach().unsqueeze(1))


def test_batched_and_alone_give_the_same(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)[:2]
    together = attribute(model.module, images, TARGETS, "layer_cam")
    alone = [attribute(model.module, images[i : i + 1], TARGETS[i], "layer_cam") for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)

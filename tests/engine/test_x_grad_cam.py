"""XGrad-CAM weighs each channel so that the map adds up to what the layer adds to the score."""

import pytest
import torch
from torch import Tensor, nn
from torchcam.methods import XGradCAM

from convscope.engine import attribute
from tests.engine.reference import (
    SUGGESTED,
    TARGETS,
    Inputs,
    Load,
    Shown,
    Shows,
    assert_same_where_there_is_evidence,
    show,
)
from tests.engine.rounding import assert_same_but_rounding
from tests.engine.scanned import for_peers, precise


def paper(shown: Shown) -> Tensor:
    """Equation 8 before the ReLU, channel by channel: [1, h, w]."""
    total = torch.zeros(shown.activation.shape[1:], dtype=torch.float64)
    for activation, gradient in zip(shown.activation.double(), shown.gradient.double(), strict=True):
        if activation.sum() != 0:
            total += (activation / activation.sum() * gradient).sum() * activation
    return total.unsqueeze(0)


# In double precision: the suggested layers of DenseNet and ViT have no ReLU, so that a channel may sum to so little
# that float32 does not determine its weight.
@pytest.mark.parametrize("network", SUGGESTED)
def test_it_is_the_papers_map_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    module, images = precise(network, load, inputs)
    expected = torch.stack([paper(one) for one in shown(network)])
    assert_same_but_rounding(attribute(module, images, TARGETS, "x_grad_cam", relu=False), expected)


def test_of_densenet_behind_a_relu_it_is_the_papers_map(load: Load, inputs: Inputs) -> None:
    (module, images), layer = precise("densenet121", load, inputs), "features.denseblock4.denselayer16.relu2"
    pairs = zip(images, TARGETS, strict=True)
    expected = torch.stack([paper(show(module, layer, image, target)) for image, target in pairs])
    assert_same_but_rounding(attribute(module, images, TARGETS, "x_grad_cam", layer=layer, relu=False), expected)


@pytest.mark.parametrize("network", ["alexnet", "resnet18"])
def test_it_is_torchcams(network: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    with XGradCAM(module, SUGGESTED[network]) as extractor:
        scores = module(images.clone().requires_grad_())
        (expected,) = extractor(class_idx=TARGETS, scores=scores, normalized=False)
    assert_same_where_there_is_evidence(
        attribute(module, images, TARGETS, "x_grad_cam"), expected.detach().unsqueeze(1)
    )


def test_the_map_adds_up_to_the_score_where_nothing_is_added_behind_the_layer() -> None:
    """The paper's axioms; Grad-CAM's map does not."""
    torch.manual_seed(3)
    head = [nn.Conv2d(6, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5, bias=False)]
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), *head).double().eval()
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        scores = network(images)[[0, 1, 2], [4, 0, 2]]
    found = attribute(network, images, [4, 0, 2], "x_grad_cam", layer="1", relu=False)
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), scores)
    other = attribute(network, images, [4, 0, 2], "grad_cam", layer="1", relu=False)
    assert not torch.allclose(other.sum(dim=(1, 2, 3)), scores, rtol=0.01)


def test_a_channel_that_sums_to_nothing_has_no_weight() -> None:
    class Balanced(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images - images.mean(dim=(2, 3), keepdim=True)

    network = nn.Sequential(Balanced(), nn.Flatten(), nn.Linear(12, 5)).double().eval()
    images = torch.tensor([[[[1.0, 3], [5, 7]], [[2, 4], [6, 8]], [[0, 0], [0, 0]]]], dtype=torch.float64)
    found = attribute(network, images, 1, "x_grad_cam", layer="0", relu=False)
    assert not found.any()


def test_batched_and_alone_give_the_same(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)[:2]
    together = attribute(model.module, images, TARGETS, "x_grad_cam")
    alone = [attribute(model.module, images[i : i + 1], TARGETS[i], "x_grad_cam") for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)

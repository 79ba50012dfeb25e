"""Eigen-CAM is the first principal component of a layer's output."""

import pytest
import torch
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.target import UnitTarget
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load, Shows
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import precise


def paper(activation: Tensor) -> Tensor:
    """A v_1 by a singular value decomposition of A, [places, channels]: [1, h, w], of positive sum."""
    matrix = activation.double().flatten(1).T
    *_, right = torch.linalg.svd(matrix, full_matrices=False)
    projection: Tensor = matrix @ right[0]
    return (projection * projection.sum().sign()).view(1, *activation.shape[1:])


@pytest.mark.parametrize("network", SUGGESTED)
def test_it_is_the_papers_map_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    module, images = precise(network, load, inputs)
    expected = torch.stack([paper(one.activation) for one in shown(network)])
    assert_same_but_rounding(attribute(module, images, TARGETS, "eigen_cam", relu=False), expected)


def test_a_layer_of_many_places_takes_no_matrix_of_them_all() -> None:
    """50176 places squared would be 20 GB."""
    torch.manual_seed(4)
    first = nn.Conv2d(3, 16, 3, padding=1)
    network = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)).eval()
    images = torch.randn(2, 3, 224, 224)
    found = attribute(network, images, None, "eigen_cam", layer="0", relu=False)
    with torch.no_grad():
        expected = torch.stack([paper(activation) for activation in first(images)])
    assert_same_but_rounding(found, expected)


def test_it_is_the_same_for_every_target(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)[:2]
    found = attribute(model.module, images, [281, 3], "eigen_cam")
    assert torch.equal(found, attribute(model.module, images, [3, 967], "eigen_cam"))
    assert torch.equal(found, attribute(model.module, images, UnitTarget("blocks.2", 5), "eigen_cam"))


def test_pytorch_grad_cam_takes_the_mean_off_each_channel_and_any_sign(
    load: Load, inputs: Inputs, shown: Shows
) -> None:
    found = attribute(*precise("resnet18", load, inputs), TARGETS, "eigen_cam", relu=False)
    for mine, one in zip(found, shown("resnet18"), strict=True):
        peer = torch.from_numpy(get_2d_projection(one.activation[None].double().numpy()))
        centred = paper(one.activation - one.activation.mean(dim=(1, 2), keepdim=True))
        assert_same_but_rounding(peer.abs(), centred.abs())
        assert differs(mine.abs(), peer.abs())


@pytest.mark.parametrize("channels", [2, 40])
def test_of_one_pattern_at_several_strengths_it_is_that_pattern(channels: int) -> None:
    """A of rank one: s u v^T has A v_1 = s u, whatever the sign of v."""
    torch.manual_seed(1)
    strengths = torch.randn(channels, dtype=torch.float64)

    class Spread(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, :1] * strengths.view(1, -1, 1, 1)

    network = nn.Sequential(Spread(), nn.Flatten(), nn.Linear(channels * 20, 3)).double().eval()
    images = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    found = attribute(network, images, None, "eigen_cam", layer="0")
    torch.testing.assert_close(found, images[:, :1] * strengths.norm(), rtol=1e-7, atol=1e-7)


def test_where_a_layer_gives_nothing_it_is_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    assert not attribute(network, torch.zeros(1, 3, 8, 8), None, "eigen_cam", relu=False).any()

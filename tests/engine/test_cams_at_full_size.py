"""Each map in float32, of whole photographs, is the paper's too; elsewhere they are compared in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convscope.engine import attribute
from tests.engine import test_eigen_cam, test_grad_cam, test_grad_cam_plus_plus, test_layer_cam, test_x_grad_cam
from tests.engine.reference import TARGETS, Inputs, Load, Shown, Shows
from tests.engine.rounding import assert_same_but_rounding
from tests.engine.scanned import FULL_SIZE

PAPERS: dict[str, Callable[[Shown], Tensor]] = {
    "grad_cam": lambda shown: test_grad_cam.weighted_sum(shown.activation, shown.gradient),
    "grad_cam_plus_plus": test_grad_cam_plus_plus.paper,
    "x_grad_cam": test_x_grad_cam.paper,
    "layer_cam": test_layer_cam.paper,
    "eigen_cam": lambda shown: test_eigen_cam.paper(shown.activation),
}


@pytest.mark.parametrize("network", FULL_SIZE)
@pytest.mark.parametrize("method", PAPERS)
def test_it_is_the_papers_map_for_every_image_of_a_batch(
    method: str, network: str, load: Load, inputs: Inputs, shown_at_full_size: Shows
) -> None:
    model = load(network)
    expected = torch.stack([PAPERS[method](one) for one in shown_at_full_size(network)])
    found = attribute(model.module, inputs(model)[:2], TARGETS, method, relu=False)
    assert found.dtype == torch.float32
    assert_same_but_rounding(found, expected)

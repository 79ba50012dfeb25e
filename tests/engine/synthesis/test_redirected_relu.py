"""Gradients through dead ReLUs, against lucid's code written again."""

from math import inf

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.attribution.backward_rule import ReluRule
from convscope.engine.synthesis.redirected_relu import redirected_rule

Values = NDArray[np.float64]


def lucids(x: Values, loss_gradient: Values, upper: float) -> Values:
    """redirected_relu_grad() and redirected_relu6_grad() of lucid, where the loss is descended: what would push x
    further away is blocked, but only of a picture through which nothing passes the ordinary way."""
    result = np.zeros_like(x)
    for row in range(len(x)):
        ordinary = np.where((x[row] < 0) | (x[row] > upper), 0, loss_gradient[row])
        pushes_lower = (x[row] < 0) & (loss_gradient[row] > 0)
        pushes_higher = (x[row] > upper) & (loss_gradient[row] < 0)
        redirected = np.where(pushes_lower | pushes_higher, 0, loss_gradient[row])
        result[row] = ordinary if np.linalg.norm(ordinary) > 0 else redirected
    return result


def passed(x: Tensor, ascent: Tensor, upper: float) -> Tensor:
    leaf = x.clone().requires_grad_()
    with ReluRule(redirected_rule):
        output = F.relu(leaf) if upper == inf else F.relu6(leaf)
    (gradient,) = torch.autograd.grad(output, leaf, ascent)
    return gradient


@pytest.mark.parametrize("upper", [inf, 6.0])
@pytest.mark.parametrize("alive", ["all", "none", "one of four"])
def test_it_is_lucids_rule(upper: float, alive: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = 8 * torch.randn(4, 3, 5, 5, generator=generator, dtype=torch.float64)
    dead = torch.where(x > 0, x + 6, x) if upper == 6 else -x.abs()
    x = {"all": x, "none": dead, "one of four": torch.cat([dead[:2], x[2:3], dead[3:]])}[alive]
    ascent = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    found = passed(x, ascent, upper)
    np.testing.assert_array_equal(found, -lucids(x.numpy(), -ascent.numpy(), upper))
    assert found.flatten(1).any(dim=1).all(), "something passes in every picture"


@pytest.mark.parametrize("upper", [inf, 6.0])
def test_what_pushes_a_dead_unit_lower_is_blocked(upper: float) -> None:
    x = torch.tensor([[-3.0, -3.0, 9.0, 9.0]])
    ascent = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    # Of a ReLU the last two are open.
    assert passed(x, ascent, upper).tolist() == ([[2, 0, 0, -2]] if upper == 6 else [[0, 0, 2, -2]])


def test_an_open_unit_without_a_gradient_wakes_nobody_but_does_not_stop_it_either() -> None:
    """The ordinary gradient is zero although x > 0: the redirected one is taken, as in lucid."""
    x, ascent = torch.tensor([[5.0, -1.0]]), torch.tensor([[0.0, 4.0]])
    assert passed(x, ascent, inf).tolist() == [[0, 4]]

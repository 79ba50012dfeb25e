"""The losses, against loops."""

from math import exp, log

import pytest
import torch

from convscope.engine.generation.losses import deceiving_loss, feature_loss, pixel_loss, telling_loss

MADE, REAL = (torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed)).double() for seed in (0, 1))
TOLD_REAL, TOLD_MADE = [2.0, -1.0, 30.0], [0.5, -40.0, 3.0]


@pytest.mark.parametrize("loss", [pixel_loss, feature_loss])
def test_distances_are_mean_squares(loss: type) -> None:
    squares = [(one - other) ** 2 for one, other in zip(MADE.flatten().tolist(), REAL.flatten().tolist(), strict=True)]
    assert float(loss(MADE, REAL)) == pytest.approx(sum(squares) / len(squares), rel=1e-12)


def sure(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def test_the_discriminators_loss_is_the_cross_entropy_and_the_generators_wants_to_be_taken_for_real() -> None:
    real, made = torch.tensor(TOLD_REAL).double(), torch.tensor(TOLD_MADE).double()
    expected = -sum(log(sure(one)) for one in TOLD_REAL) / 3 - sum(log(1 - sure(one)) for one in TOLD_MADE) / 3
    assert float(telling_loss(real, made)) == pytest.approx(expected, rel=1e-9)
    assert float(deceiving_loss(made)) == pytest.approx(-sum(log(sure(one)) for one in TOLD_MADE) / 3, rel=1e-9)


def test_whoever_is_sure_still_has_a_gradient() -> None:
    """The logarithm of 1 - D has none there: of equation 3 the other form is descended (Goodfellow et al. 2014)."""
    told = torch.tensor([-50.0], requires_grad=True)
    (slope,) = torch.autograd.grad(deceiving_loss(told), told)
    assert slope.item() == pytest.approx(-1.0)

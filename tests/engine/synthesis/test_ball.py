"""Nothing leaves a ball, and nothing leaves the range of pixels."""

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convscope.engine.synthesis.attacks.ball import Ball

Norm = Literal["linf", "l2"]
NORMS: tuple[Norm, ...] = ("linf", "l2")
RADII = st.floats(1.0, 400.0) | st.sampled_from([1.0, 2.5, 7.999999, 8.0, 255 * (8 / 255), 3.0000001])
# A norm of some hundred float32 numbers.
ROUNDING = 1e-5


def original(seed: int) -> Tensor:
    """Whole levels with many at the ends of the range, [1, 3, 5, 4]."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (1, 3, 5, 4), generator=generator).float()
    end = torch.rand(levels.shape, generator=generator)
    return torch.where(end < 0.2, 0.0, torch.where(end > 0.8, 255.0, levels))


def moved(seed: int, strength: float) -> Tensor:
    noise = torch.randn(3, 3, 5, 4, generator=torch.Generator().manual_seed(seed))
    return original(seed) + strength * noise


def length(norm: Norm, change: Tensor) -> Tensor:
    flat = change.double().flatten(1)
    return flat.abs().amax(dim=1) if norm == "linf" else flat.norm(dim=1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(radius=RADII, seed=st.integers(0, 1000), strength=st.floats(0.01, 500))
@settings(max_examples=60, deadline=None)
def test_nothing_leaves_the_ball(norm: Norm, radius: float, seed: int, strength: float) -> None:
    ball, start = Ball(norm, radius), original(seed)
    points = {
        "inside": ball.inside(moved(seed, strength), start),
        "random": ball.random(start, 3, torch.Generator().manual_seed(seed)),
    }
    points |= {f"{name}, rounded": ball.rounded(point, start) for name, point in points.items()}
    for name, point in points.items():
        assert point.min() >= 0, name
        assert point.max() <= 255, name
        change = length(norm, point - start)
        if name.endswith("rounded"):
            assert torch.equal(point, point.round()), name
            # Of whole levels sums of squares are exact; the root is float32's on one side.
            assert (change <= radius * (1 + 1e-7)).all(), name
        else:
            assert (change <= radius * (1 + ROUNDING)).all(), name


@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(radius=RADII, seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_what_is_inside_stays_where_it_is(norm: Norm, radius: float, seed: int) -> None:
    ball, start = Ball(norm, radius), original(seed)
    once = ball.inside(moved(seed, 50.0), start)
    torch.testing.assert_close(ball.inside(once, start), once, rtol=0, atol=255 * ROUNDING)
    whole = ball.rounded(once, start)
    assert torch.equal(ball.rounded(whole, start), whole)


def test_a_radius_that_is_no_whole_level_is_the_whole_one_below() -> None:
    start = torch.full((1, 3, 2, 2), 100.0)
    for radius, expected in ((2.9, 2), (3.0, 3), (255 * (8 / 255), 8), (255 * (3 / 255), 3)):
        found = Ball("linf", radius).inside(start + 50, start)
        assert torch.equal(found - start, torch.full_like(start, expected))


def test_so_many_255ths_are_so_many_levels() -> None:
    start = torch.zeros(1, 3, 1, 1)
    found = [Ball("linf", 255 * (levels / 255)).inside(start + 255, start).max() for levels in range(1, 256)]
    assert found == list(range(1, 256))


def test_rounding_keeps_as_much_of_a_change_as_fits() -> None:
    """A change of a level on a hundred of three hundred numbers has a norm of 10."""
    change = torch.zeros(1, 3, 10, 10)
    change[0, 0] = 1.0
    start = torch.full((1, 3, 10, 10), 100.0)
    assert torch.equal(Ball("l2", 10.0).rounded(start + change, start), start + change)
    spread = torch.full((1, 3, 10, 10), 0.6)  # its norm is 10.4; whole levels all over would have 17.3
    found = Ball("l2", 10.4).rounded(start + spread, start)
    assert length("l2", found - start) <= 10.4


def test_an_infinite_ball_is_the_range_of_pixels() -> None:
    for norm in NORMS:
        ball = Ball(norm, float("inf"))
        found = ball.inside(torch.tensor([-3.0, 12.25, 300.0]).view(1, 1, 1, 3), torch.zeros(1, 1, 1, 3))
        assert found.flatten().tolist() == [0, 12.25, 255]
        assert ball.rounded(found, torch.zeros(1, 1, 1, 3)).flatten().tolist() == [0, 12, 255]


def test_random_points_fill_the_ball() -> None:
    start = torch.full((1, 3, 8, 8), 128.0)
    generator = torch.Generator().manual_seed(0)
    cube = Ball("linf", 8.0).random(start, 200, generator) - start
    # 38400 uniform numbers: ends within a hundredth, the deviation 8 / sqrt(3) within one.
    assert cube.max() > 7.99
    assert cube.min() < -7.99
    assert cube.std().item() == pytest.approx(8 / 3**0.5, rel=0.01)
    ball = Ball("l2", 8.0).random(start, 2000, generator) - start
    norms = ball.flatten(1).norm(dim=1) / 8
    # Of 192 numbers the part within r of the radius is r^192: the mean of the norm is 192 / 193.
    assert norms.mean().item() == pytest.approx(192 / 193, abs=0.0005)
    assert ball.flatten(1).mean(dim=0).abs().max() < 0.1, "no direction is preferred: 8 / sqrt(192 * 2000) = 0.013 each"


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_way_of_that_length_rises_more(norm: Norm) -> None:
    gradient = moved(0, 10.0) - original(0)
    way = Ball(norm, 8.0).steepest(gradient)
    torch.testing.assert_close(length(norm, way), torch.ones(3).double(), rtol=ROUNDING, atol=0)
    rise = (gradient * way).flatten(1).sum(dim=1)
    for seed in range(100, 120):
        other = torch.randn(way.shape, generator=torch.Generator().manual_seed(seed))
        other = other / length(norm, other).view(-1, 1, 1, 1)
        assert (rise >= (gradient * other).flatten(1).sum(dim=1)).all()


def test_no_gradient_has_no_way() -> None:
    for norm in NORMS:
        assert not Ball(norm, 8.0).steepest(torch.zeros(2, 3, 4, 4)).any()

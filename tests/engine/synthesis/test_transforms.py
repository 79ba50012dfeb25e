"""What happens to pictures before the network sees them, against rolls and turns."""

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope.engine.synthesis.transforms.jitter import Jitter
from convscope.engine.synthesis.transforms.transform import Transform
from convscope.engine.synthesis.transforms.wandering import Wandering
from convscope.engine.synthesis.transforms.window import Window

pytestmark = pytest.mark.usefixtures("exactly")
GREY = torch.tensor([0.3, -0.1, 0.2], dtype=torch.float64).view(1, 3, 1, 1)
# Where a bilinear sampling hits a pixel exactly, its place is rounded in float64.
ROUNDING = 1e-10


def pictures(height: int = 20, width: int = 16, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_jitter_rolls_by_what_is_drawn_and_every_picture_alike() -> None:
    seen = set()
    for seed in range(40):
        down, right = torch.randint(-3, 4, (2,), generator=drawn(seed)).tolist()
        expected = np.roll(pictures().numpy(), (down, right), axis=(2, 3))
        np.testing.assert_array_equal(Jitter(3)(pictures(), drawn(seed)), expected)
        seen |= {down, right}
    assert seen == {-3, -2, -1, 0, 1, 2, 3}


def test_a_window_is_a_part_of_its_size() -> None:
    places = set()
    for seed in range(200):
        found = Window(18, 13)(pictures(), drawn(seed))
        assert found.shape == (2, 3, 18, 13)
        (place,) = [
            (top, left)
            for top in range(3)
            for left in range(4)
            if torch.equal(found, pictures()[:, :, top : top + 18, left : left + 13])
        ]
        places.add(place)
    assert len(places) == 3 * 4, "every part is seen sooner or later"


@pytest.mark.parametrize("size", [(20, 16), (30, 40), (20, 40)])
def test_a_picture_that_is_no_larger_is_seen_whole(size: tuple[int, int]) -> None:
    torch.testing.assert_close(Window(*size)(pictures(), drawn()), pictures(), rtol=0, atol=0)


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("size", [(20, 16), (21, 15)])
def test_nobody_wanders_who_is_not_told_to(pad: int, size: tuple[int, int]) -> None:
    found = Wandering(GREY, pad=pad)(pictures(*size), drawn())
    torch.testing.assert_close(found, pictures(*size), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("which", ["jitter", "jitter_after"])
@pytest.mark.parametrize("pad", [0, 6])
def test_a_shift_alone_is_a_roll_in_the_interior_and_grey_beyond_it(which: str, pad: int) -> None:
    for seed in range(10):
        generator = drawn(seed)
        shifts = [torch.randint(-most, most + 1, (2,), generator=generator).tolist() for most in shift_limits(which)]
        right, down = shifts[which == "jitter_after"]
        wandering = Wandering(GREY, pad=pad, jitter=shift_limits(which)[0], jitter_after=shift_limits(which)[1])
        found = wandering(pictures(), drawn(seed))
        rolled = pictures().roll((down, right), dims=(2, 3))
        torch.testing.assert_close(found[..., 4:-4, 4:-4], rolled[..., 4:-4, 4:-4], rtol=0, atol=ROUNDING)
        if pad:
            padded = torch.nn.functional.pad(pictures() - GREY, (pad,) * 4) + GREY
            whole = padded.roll((down, right), dims=(2, 3))[..., pad:-pad, pad:-pad]
            torch.testing.assert_close(found, whole, rtol=0, atol=ROUNDING)


def shift_limits(which: str) -> tuple[int, int]:
    return (4, 0) if which == "jitter" else (0, 4)


def test_what_is_beyond_a_picture_without_padding_is_its_mirror() -> None:
    seed = next(seed for seed in range(100) if torch.randint(-4, 5, (2,), generator=drawn(seed)).tolist() == [3, -2])
    found = Wandering(GREY, jitter=4)(pictures(), drawn(seed))
    mirrored = np.pad(pictures().numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="symmetric")
    np.testing.assert_allclose(found, mirrored[:, :, 4 + 2 : 24 + 2, 4 - 3 : 20 - 3], atol=ROUNDING)


def turning(degrees: float, **others: float | int) -> tuple[Wandering, int]:
    """One that turns by just so much, and the seed with which it does."""
    for seed in range(100):
        generator = drawn(seed)
        for _ in range(2):
            torch.randint(0, 1, (2,), generator=generator)
        turn = (2 * torch.rand(2, generator=generator) - 1)[1].item()
        if turn > 0.55:
            return Wandering(GREY, rotation=degrees / turn, **others), seed  # type: ignore[arg-type]
    raise AssertionError("no seed turns so far")


def test_a_quarter_of_a_turn_is_a_square_turned() -> None:
    wandering, seed = turning(90)
    found = wandering(pictures(17, 17), drawn(seed))
    np.testing.assert_allclose(found, np.rot90(pictures(17, 17).numpy(), axes=(2, 3)), atol=ROUNDING)


def test_a_turned_picture_that_is_no_square_keeps_its_proportions() -> None:
    """A quarter of a turn of 20 x 16 shows in its middle 16 x 16 what the turned middle shows."""
    wandering, seed = turning(90, pad=4)
    found = wandering(pictures(), drawn(seed))
    expected = np.rot90(pictures()[..., 2:18, :].numpy(), axes=(2, 3))
    np.testing.assert_allclose(found[..., 2:18, :], expected, atol=ROUNDING)


def test_a_scaled_picture_is_larger_about_its_middle() -> None:
    """A ramp stays a ramp under bilinear sampling, with a slope that is smaller by the scale."""
    across = torch.arange(16.0).sub(7.5).expand(1, 3, 20, 16)
    for seed in range(5):
        generator = drawn(seed)
        for _ in range(2):
            torch.randint(0, 1, (2,), generator=generator)
        scale = 1 + 0.3 * (2 * torch.rand(2, generator=generator) - 1)[0].item()
        found = Wandering(GREY, scaling=0.3)(across, drawn(seed))
        torch.testing.assert_close(found[..., 4:12], (across / scale)[..., 4:12], rtol=0, atol=ROUNDING)


def test_the_order_is_shift_turn_and_shift_again() -> None:
    """One point is followed by hand: shifted, scaled and turned about the middle, shifted again."""
    size = 41
    for seed in range(6):
        generator = drawn(seed)
        right, down = torch.randint(-5, 6, (2,), generator=generator).tolist()
        right_after, down_after = torch.randint(-3, 4, (2,), generator=generator).tolist()
        scale_drawn, turn_drawn = (2 * torch.rand(2, generator=generator) - 1).tolist()
        scale, angle = 1 + 0.1 * scale_drawn, np.radians(30 * turn_drawn)
        place = np.array([4.0 + right, -3.0 + down])  # of (4, -3) about the middle, x to the right and y down
        # Seen from above a positive angle turns the picture against the clock: y points down.
        turned = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ place
        x, y = turned + np.array([right_after, down_after])
        spot = torch.zeros(1, 3, size, size)
        rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
        spot[:] = torch.exp(-((columns - 4).square() + (rows + 3).square()) / 8)
        wandering = Wandering(0 * GREY, pad=12, jitter=5, scaling=0.1, rotation=30, jitter_after=3)
        found = wandering(spot, drawn(seed))[0, 0]
        found_x, found_y = ((found * axis).sum() / found.sum() for axis in (columns, rows))
        # The centre of a spot that wide is kept by bilinear sampling to a hundredth of a pixel.
        assert abs(found_x - x) < 0.02
        assert abs(found_y - y) < 0.02


TRANSFORMS: dict[str, Transform] = {
    "jitter": Jitter(3),
    "window": Window(6, 5),
    "wandering": Wandering(GREY, pad=2, jitter=2, scaling=0.1, rotation=20.0, jitter_after=1),
    "wandering, mirrored": Wandering(GREY, jitter=3, scaling=0.2, rotation=40.0),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_gradient_is_that_of_finite_differences(name: str, seed: int) -> None:
    images = pictures(8, 7, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda one: TRANSFORMS[name](one, drawn(seed)), (images,))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_picture_is_changed_alike(name: str) -> None:
    images = pictures(8, 7, 3)
    together = TRANSFORMS[name](images, drawn(5))
    for row in range(3):
        alone = TRANSFORMS[name](images[row : row + 1], drawn(5))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=ROUNDING)

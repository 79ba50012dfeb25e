"""Variables and the pictures that they stand for, against formulas and loops."""

from math import atan, exp, pi, sin

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.synthesis.grey_levels import GreyLevels
from convscope.engine.synthesis.parameterizations.cppn import LAYERS, WIDTH, Cppn
from convscope.engine.synthesis.parameterizations.fourier import Fourier
from convscope.engine.synthesis.parameterizations.pixels import MUTATED, Pixels
from convscope.engine.synthesis.parameters import Stage, SynthesisParameters
from convscope.engine.synthesis.stages import Stages

pytestmark = pytest.mark.usefixtures("exactly")
CPU = torch.device("cpu")
# A Fourier transform of a thousand numbers in float64 and back.
ROUNDING = 1e-10
SIZES = [(16, 12), (15, 12), (16, 11), (9, 9)]
PREPROCESSING = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def grey_levels() -> GreyLevels:
    return GreyLevels(PREPROCESSING, CPU)


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photograph(height: int, width: int, low: int = 1, high: int = 254) -> Tensor:
    """Grey levels about the mean, [1, 3, H, W]."""
    shown = torch.randint(low, high + 1, (1, 3, height, width), generator=drawn(5)).double()
    return shown - grey_levels().mean


def test_grey_levels_are_what_a_network_takes_and_back() -> None:
    levels = photograph(4, 5)
    shown = (levels + 255 * torch.tensor(PREPROCESSING.mean).view(1, 3, 1, 1)).round().to(torch.uint8)
    # normalize() works in float32.
    torch.testing.assert_close(
        grey_levels().images(levels), PREPROCESSING.normalize(shown).double(), rtol=1e-6, atol=1e-6
    )
    torch.testing.assert_close(grey_levels().levels(grey_levels().images(levels)), levels)
    torch.testing.assert_close(grey_levels().shown(levels), shown.double() / 255)


@pytest.mark.parametrize("size", SIZES)
def test_a_spectrum_gives_the_picture_back_that_it_was_made_of(size: tuple[int, int]) -> None:
    """Without noise, whatever the recipe has of it."""
    start = photograph(*size)
    fourier = Fourier(grey_levels(), size, 2, noise=0.5, start=start.repeat(2, 1, 1, 1))
    variables = fourier.start(drawn())
    assert variables.shape == fourier.shape(0) == (2, 3, size[0], size[1] // 2 + 1, 2)
    for picture in grey_levels().levels(fourier.images(variables)):
        # 255 levels, behind a logit whose slope is up to 250 at the ends.
        torch.testing.assert_close(picture[None], start, rtol=0, atol=255 * 250 * 1e-14)


def test_black_and_white_come_back_to_a_quarter_of_a_level() -> None:
    """A sigmoid does not reach them; the margin is a thousandth."""
    start = photograph(8, 8, 0, 1) * torch.tensor([1.0, 1.0, 1.0]).view(1, 3, 1, 1)
    start[..., 4:] = 255 - grey_levels().mean
    fourier = Fourier(grey_levels(), (8, 8), 1, noise=0.0, start=start)
    found = grey_levels().levels(fourier.images(fourier.start(drawn())))
    assert (found - start).abs().max() <= 0.255 + ROUNDING


@pytest.mark.parametrize("size", SIZES)
def test_a_number_of_the_spectrum_is_a_wave_as_strong_as_one_over_its_frequency(size: tuple[int, int]) -> None:
    height, width = size
    fourier = Fourier(grey_levels(), size, 1)
    down, right = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    for row, column in [(0, 0), (1, 0), (0, 1), (2, 3), (height - 1, 1), (height // 2, width // 2), (3, width // 2)]:
        variables = torch.zeros(fourier.shape(0))
        variables[0, 1, row, column, 0] = 2.0
        frequency = np.hypot(min(row, height - row) / height, column / width)
        strength = (height * width) ** 0.5 / max(frequency, 1 / max(size)) / 4
        # A real picture has each wave twice in its spectrum, but those that are their own mirror.
        twice = 1 if column == 0 or 2 * column == width else 2
        angle = 2 * pi * (row * down / height + column * right / width)
        wave = 2.0 * strength * twice / (height * width) * np.cos(angle)
        # The second of lucid's independent colours, over the largest column's norm.
        largest = (0.26**2 + 0.27**2 + 0.27**2) ** 0.5
        colour = np.array([0.09, 0.00, -0.09])[:, None, None] / largest
        expected = 1 / (1 + np.exp(-colour * wave))
        np.testing.assert_allclose(fourier.shown(variables)[0], expected, atol=ROUNDING)
        levels = 255 * expected - 255 * np.array(PREPROCESSING.mean)[:, None, None]
        images = levels / (255 * np.array(PREPROCESSING.std)[:, None, None])
        np.testing.assert_allclose(fourier.images(variables)[0], images, atol=10 * ROUNDING)


def test_a_spectrum_starts_from_noise_the_same_for_every_target_and_another_for_every_copy() -> None:
    variables = Fourier(grey_levels(), (40, 30), 6, copies=3, noise=0.01).start(drawn())
    assert torch.equal(variables[:3], variables[3:])
    assert not torch.equal(variables[0], variables[1])
    # 11520 numbers know their deviation to under a hundredth of it.
    assert variables[:3].std().item() == pytest.approx(0.01, rel=0.03)


def cppn_by_loops(cppn: Cppn, numbers: list[float], size: tuple[int, int]) -> np.ndarray:
    """Pixel by pixel and unit by unit: a sum of all that came before and 1, then its sine, Gaussian and arc tangent."""
    picture = np.zeros((3, *size))
    for y in range(size[0]):
        for x in range(size[1]):
            down, right = (3**0.5 * (2 * place / (side - 1) - 1) for place, side in zip((y, x), size, strict=True))
            values, left = [down, right, (down**2 + right**2) ** 0.5], list(numbers)
            for layer in range(LAYERS + 1):
                units = WIDTH if layer < LAYERS else 3
                # Row by row: of each input its weights to all units, at last the biases.
                rows = [[left.pop(0) for _ in range(units)] for _ in range(len(values) + 1)]
                sums = [
                    sum(value * row[unit] for value, row in zip([*values, 1.0], rows, strict=True))
                    for unit in range(units)
                ]
                if layer < LAYERS:
                    values = [*map(sin, sums), *(exp(-(one**2)) for one in sums), *map(atan, sums)]
                else:
                    picture[:, y, x] = [1 / (1 + exp(-one)) for one in sums]
            assert not left
    return picture


def test_a_cppn_is_a_loop_over_pixels() -> None:
    size = (5, 4)
    cppn = Cppn(grey_levels(), size, 2, copies=2)
    variables = cppn.start(drawn())
    assert variables.shape == cppn.shape(0)
    for row in range(2):
        expected = cppn_by_loops(cppn, variables[row].tolist(), size)
        np.testing.assert_allclose(cppn.shown(variables)[row], expected, atol=ROUNDING)
        images = (255 * expected / 255 - np.array(PREPROCESSING.mean)[:, None, None]) / np.array(PREPROCESSING.std)[
            :, None, None
        ]
        np.testing.assert_allclose(cppn.images(variables)[row], images, atol=10 * ROUNDING)


def test_the_weights_of_a_cppn_are_as_large_as_a_unit_sums_few() -> None:
    variables = Cppn(grey_levels(), (5, 4), 40, copies=40, noise=2.0).start(drawn())
    first, second = variables[:, : 4 * WIDTH], variables[:, 4 * WIDTH : (4 + 3 * WIDTH + 1) * WIDTH]
    # 2560 and 31360 numbers: within three deviations of their deviation.
    assert first.std().item() == pytest.approx(2 / 3**0.5, rel=0.05)
    assert second.std().item() == pytest.approx(2 / (3 * WIDTH) ** 0.5, rel=0.02)


def test_a_mutation_of_a_cppn_changes_a_fifth_of_the_weights() -> None:
    cppn = Cppn(grey_levels(), (5, 4), 1)
    change = cppn.mutated(torch.zeros(1, 20000), 0.3, drawn())
    # Of 20000 draws; four deviations.
    assert (change != 0).double().mean().item() == pytest.approx(0.2, abs=0.012)
    assert change[change != 0].std().item() == pytest.approx(0.3, rel=0.05)


def pixels(sizes: list[tuple[int, int]], stages: tuple[Stage, ...] = (), count: int = 2, **values: object) -> Pixels:
    parameters = SynthesisParameters(steps=2 * max(1, len(stages)), stages=stages)
    return Pixels(grey_levels(), Stages(parameters), sizes, count, **values)  # type: ignore[arg-type]


def test_pixels_start_from_the_mean_a_grey_or_a_picture_and_noise() -> None:
    mean = grey_levels().mean
    noise = 3 * torch.randn(1, 3, 6, 5, generator=drawn())
    assert not pixels([(6, 5)]).start(drawn()).any()
    grey = pixels([(6, 5)], brightness=200.0, noise=3.0).start(drawn())
    torch.testing.assert_close(grey, (200 - mean + noise).expand(2, -1, -1, -1))
    start = photograph(6, 5).repeat(2, 1, 1, 1)
    # A picture stands in the place of both.
    given = pixels([(6, 5)], brightness=200.0, noise=3.0, start=start).start(drawn())
    torch.testing.assert_close(given, start, rtol=0, atol=0)
    torch.testing.assert_close(pixels([(6, 5)], start=start).images(given), given / (255 * torch.tensor(
        PREPROCESSING.std).view(1, 3, 1, 1)))  # fmt: skip
    torch.testing.assert_close(pixels([(6, 5)]).shown(given), (given + mean) / 255)


def test_copies_start_from_noise_of_their_own_and_every_target_from_the_same() -> None:
    variables = pixels([(6, 5)], count=6, copies=3, noise=2.0).start(drawn())
    assert torch.equal(variables[:3], variables[3:])
    assert not torch.equal(variables[0], variables[1])


def test_pixels_grow_where_a_stage_begins() -> None:
    stages = (Stage(), Stage(scale=1.5), Stage(scale=1.5))
    grown = pixels([(6, 4), (9, 6), (9, 6)], stages)
    variables = grown.start(drawn())
    assert [grown.shape(step)[2:] for step in range(8)] == [(6, 4)] * 3 + [(9, 6)] * 5, "as after each step"
    variables = variables + photograph(6, 4)
    assert grown.before(1, variables) is variables
    larger = grown.before(2, variables)
    expected = F.interpolate(variables, (9, 6), mode="bilinear", align_corners=False)
    torch.testing.assert_close(larger, expected)
    assert grown.before(4, larger) is larger


def test_a_mutation_of_pixels_changes_a_tenth_of_the_numbers() -> None:
    change = pixels([(6, 4)]).mutated(torch.zeros(1, 3, 80, 80), 15.0, drawn())
    # Of 19200 draws; four deviations.
    assert (change != 0).double().mean().item() == pytest.approx(MUTATED, abs=0.009)
    assert change[change != 0].std().item() == pytest.approx(15.0, rel=0.06)


@pytest.mark.parametrize("kind", ["fourier", "cppn"])
def test_the_gradient_is_that_of_finite_differences(kind: str) -> None:
    made = Fourier(grey_levels(), (4, 5), 1, noise=0.5) if kind == "fourier" else Cppn(grey_levels(), (4, 5), 1)
    variables = made.start(drawn()).requires_grad_()
    way = torch.randn(1, 3, 4, 5, generator=drawn(1))
    assert torch.autograd.gradcheck(lambda one: (made.images(one) * way).sum(), (variables,))


def test_nothing_leaves_the_range_of_colours() -> None:
    for made in (Fourier(grey_levels(), (4, 5), 1, noise=100.0), Cppn(grey_levels(), (4, 5), 1, noise=100.0)):
        shown = made.shown(made.start(drawn()))
        assert shown.min() >= 0
        assert shown.max() <= 1

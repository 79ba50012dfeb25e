"""What a layer's output is as a code, and its range over pictures."""

import numpy as np
import pytest
import torch
from torch import nn

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.generation.codes import SIGMAS, CodeReader, RangeCount
from convscope.engine.models.model import Model
from tests.engine.generation.made_pictures import bars
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import HEIGHT, WIDTH, around, hooked

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("layer", "shape"), [("12", (16, 1, 1)), ("11", (16, 1, 1)), ("10", (16, 6, 5)), ("4", (12, 24, 20))]
)
def test_a_code_is_what_the_layer_gives_for_the_picture_as_the_network_takes_it(
    tiny: Model, layer: str, shape: tuple[int, int, int]
) -> None:
    pixels = bars(4, HEIGHT, WIDTH)
    reader = CodeReader(tiny, layer)
    assert reader.shape == shape
    expected = hooked(tiny.module, layer, tiny.preprocessing.normalize(pixels)).reshape(4, *shape)
    torch.testing.assert_close(reader(pixels.float() / 255), expected, rtol=1e-4, atol=1e-5)


def test_transformers_have_a_grid_too(load: Load) -> None:
    reader = CodeReader(load("vit_b_16"), "encoder")
    assert reader.shape == (768, 14, 14)
    assert reader(torch.zeros(1, 3, 224, 224)).shape == (1, 768, 14, 14)


def test_an_unknown_layer_names_the_nearest(tiny: Model) -> None:
    with pytest.raises(UnknownName) as caught:
        CodeReader(tiny, "120")
    assert caught.value.field == "layer"


def test_the_range_is_that_of_all_codes_together() -> None:
    """Over pictures and places, however they were parted."""
    codes = 3 + 2 * torch.randn(10, 4, 3, 2, generator=torch.Generator().manual_seed(0)).abs()
    codes[:, 2] = 0.25
    count = RangeCount((4, 3, 2), CPU)
    for part in torch.split(codes, 3):
        count.add(part)
    found = count.range()
    flat = codes.double().numpy().transpose(1, 0, 2, 3).reshape(4, -1)
    np.testing.assert_allclose(found.mean.flatten(), flat.mean(axis=1), rtol=1e-6)
    expected = flat.std(axis=1)
    expected[2] = 1.0
    np.testing.assert_allclose(found.std.flatten(), expected, rtol=1e-6)
    np.testing.assert_array_equal(found.lowest.flatten(), flat.min(axis=1).astype(np.float32))
    again = RangeCount((4, 3, 2), CPU)
    again.restore({name: tensor.clone() for name, tensor in count.state().items()})
    assert torch.equal(again.range().std, found.std)
    torch.testing.assert_close(found.raw(found.standardized(codes)), codes)


def test_the_bounds_are_three_deviations_and_no_lower_than_any_real_code() -> None:
    codes = torch.randn(500, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    codes[:, 1] = codes[:, 1].relu()
    count = RangeCount((2, 1, 1), CPU)
    count.add(codes)
    found = count.range()
    lowest, highest = (found.raw(bound).flatten().tolist() for bound in found.bounds)
    mean, std = codes.double().mean(dim=0).flatten(), codes.double().std(dim=0, unbiased=False).flatten()
    assert highest == pytest.approx((mean + SIGMAS * std).tolist(), rel=1e-5)
    assert lowest[0] == pytest.approx(max(float(mean[0] - SIGMAS * std[0]), codes[:, 0].min().item()), rel=1e-5)
    assert lowest[1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "reason"), [(0.0, "NO_FEATURES"), (1e4, "NO_FEATURES"), (float("inf"), "NOT_FINITE")]
)
def test_a_layer_that_tells_nothing_is_named(value: float, reason: str) -> None:
    count = RangeCount((3, 1, 1), CPU)
    count.add(torch.full((20, 3, 1, 1), value))
    with pytest.raises(InvalidInput) as caught:
        count.range()
    assert (caught.value.field, caught.value.reason) == ("layer", reason)


def test_a_large_mean_is_no_change(load: Load) -> None:
    """Rounding in float32 is not taken for a feature."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).requires_grad_(False)
    with torch.no_grad():
        nn.init.zeros_(module[0].weight)  # type: ignore[arg-type]
        nn.init.constant_(module[0].bias, 123.456)  # type: ignore[arg-type]
    model = around(load("resnet18"), module)
    count = RangeCount((4, 1, 1), CPU)
    count.add(CodeReader(model, "3")(torch.rand(30, 3, HEIGHT, WIDTH)))
    with pytest.raises(InvalidInput, match="no features"):
        count.range()

"""The generator, against a loop over its layers that is written from the paper's table."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.engine.errors import UnknownName
from convscope.engine.generation.generator import Generator
from convscope.engine.generation.generator_shape import GeneratorShape, generator_shape
from convscope.engine.generation.presets import PRESETS, find_preset
from convscope.engine.generation.published import published_shape

TINY = PRESETS["tiny"]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("code", "height", "width"),
    [
        ((128, 1, 1), 64, 64),
        ((16, 1, 1), 48, 40),
        ((5, 1, 1), 227, 227),
        ((8, 7, 7), 224, 224),
        ((8, 6, 5), 48, 40),
        ((3, 13, 13), 227, 227),
        ((2, 48, 40), 48, 40),
        ((4, 1, 1), 3, 9),
    ],
)
def test_a_code_of_any_shape_becomes_a_picture_of_any_size(
    preset: str, code: tuple[int, int, int], height: int, width: int
) -> None:
    shape = generator_shape(PRESETS[preset], code, height, width)
    assert GeneratorShape.model_validate_json(shape.model_dump_json()) == shape
    with torch.device("meta"):
        assert Generator(shape).eval()(torch.empty(2, *code)).shape == (2, 3, height, width)


def test_what_is_made_is_between_black_and_white_and_differs() -> None:
    torch.manual_seed(0)
    made = Generator(generator_shape(TINY, (16, 1, 1), 48, 40)).eval()(20 * drawn(3, 16, 1, 1))
    assert made.min() >= 0
    assert made.max() <= 1
    assert (made[0] - made[1]).abs().max() > 1e-3


def test_the_published_network_is_the_papers_table() -> None:
    """Linear, reshaped, then up-convolutions, leaky ReLUs of slope 0.3 in between; blue, green, red less the mean."""
    torch.manual_seed(0)
    generator = Generator(published_shape(1000, 227, 227)).eval()
    state = {name.removeprefix("layers."): value for name, value in generator.state_dict().items()}
    code = drawn(1, 1000)
    values = code
    for layer in ("dense0", "dense1", "start"):
        values = F.leaky_relu(values @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0.3)
    values = values.reshape(1, 256, 4, 4)
    for layer in ("up0", "conv0", "up1", "conv1", "up2", "conv2", "up3", "up4", "up5"):
        stride = 2 if layer.startswith("up") else 1
        values = F.conv_transpose2d(values, state[f"{layer}.weight"], state[f"{layer}.bias"], stride, 1)
        values = values if layer == "up5" else F.leaky_relu(values, 0.3)
    assert values.shape == (1, 3, 256, 256)
    blue, green, red = values[0, :, 14:241, 14:241]
    expected = torch.stack([red + 123, green + 117, blue + 104]) / 255
    with torch.no_grad():
        torch.testing.assert_close(generator(code[:, :, None, None])[0], expected)


def test_a_presets_network_is_interpolation_convolution_norm_and_a_leaky_relu_again_and_again() -> None:
    """From a grid of 6 x 5 to 48 x 40: three doublings, two convolutions in each, nothing behind the last."""
    torch.manual_seed(0)
    generator = Generator(generator_shape(TINY, (7, 6, 5), 48, 40))
    with torch.no_grad():
        for _ in range(3):  # statistics other than those that a norm begins with
            generator(drawn(8, 7, 6, 5))
    state = {name.removeprefix("layers."): value for name, value in generator.eval().state_dict().items()}

    def normed(values: Tensor, layer: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{layer}_norm.{name}"].view(1, -1, 1, 1)
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        scaled = (values - mean) / (var + 1e-5).sqrt() * weight + bias
        return torch.where(scaled > 0, scaled, 0.3 * scaled)

    codes = torch.cat([3 * drawn(1, 7, 6, 5, seed=1), 0.5 * drawn(1, 7, 6, 5, seed=2)])
    # The first is longer than real codes, the second is not.
    known = torch.cat([codes[:1] / (codes[:1].square().sum() / 210) ** 0.5, codes[1:]])
    start = F.conv2d(known, state["start.weight"], state["start.bias"], padding=1)
    values = torch.where(start > 0, start, 0.3 * start)
    for stage in range(3):
        rows, columns = 2 * values.shape[2], 2 * values.shape[3]
        larger = F.interpolate(values, (rows, columns), mode="bilinear")
        up = F.conv2d(larger, state[f"up{stage}.weight"], state[f"up{stage}.bias"], padding=1)
        values = normed(up, f"up{stage}")
        values = F.conv_transpose2d(values, state[f"conv{stage}.weight"], state[f"conv{stage}.bias"], padding=1)
        values = values if stage == 2 else normed(values, f"conv{stage}")
    with torch.no_grad():
        torch.testing.assert_close(generator(codes), 1 / (1 + (-values).exp()), rtol=1e-4, atol=1e-5)


def test_the_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    shape = generator_shape(TINY, (3, 1, 1), 9, 8)
    generator = Generator(shape).double().eval().requires_grad_(False)
    code = drawn(1, 3, 1, 1).double().requires_grad_()
    assert torch.autograd.gradcheck(generator, (code,))


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="nearest: tiny") as caught:
        find_preset("tinny")
    assert caught.value.field == "preset"

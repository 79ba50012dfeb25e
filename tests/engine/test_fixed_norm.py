"""Batch norm with kept statistics: the same values to the bit, the same gradient."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convscope.engine.attribution.fixed_norm import FEWEST, FixedNorm


def norm(channels: int = 64, **options: bool) -> nn.BatchNorm2d:
    torch.manual_seed(0)
    module = nn.BatchNorm2d(channels, **options).eval().requires_grad_(False)
    if module.running_mean is not None and module.running_var is not None:
        module.running_mean.normal_()
        module.running_var.uniform_(0.5, 2)
    if module.affine:
        nn.init.normal_(module.weight)
        nn.init.normal_(module.bias)
    return module


def passed(module: nn.Module, x: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The output of the module, and the gradient that passes it."""
    x = x.clone().requires_grad_()
    output = module(x)
    return output.detach(), torch.autograd.grad(output, x, gradient)[0]


LARGE, SMALL = (8, 64, 56, 56), (1, 64, 7, 7)


@pytest.mark.parametrize("shape", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_what_torch_has(shape: tuple[int, ...], affine: bool, layout: torch.memory_format) -> None:
    module = norm(affine=affine)
    x, gradient = (torch.randn(shape).contiguous(memory_format=layout) for _ in range(2))
    output, by_torch = passed(module, x, gradient)
    with FixedNorm():
        same, ours = passed(module, x, gradient)
    assert torch.equal(same, output)
    torch.testing.assert_close(ours, by_torch, rtol=1e-5, atol=1e-6)
    assert ours.is_contiguous(memory_format=layout)


def test_large_batches_take_our_way() -> None:
    assert torch.Size(LARGE).numel() >= FEWEST > torch.Size(SMALL).numel()
    with FixedNorm():
        output = norm()(torch.randn(LARGE, requires_grad=True))
        few = norm()(torch.randn(SMALL, requires_grad=True))
    assert type(output.grad_fn).__name__ == "FixedBatchNormBackward"
    assert type(few.grad_fn).__name__ == "NativeBatchNormBackward0"


def training() -> nn.Module:
    return norm().train()


def learned() -> nn.Module:
    return norm().requires_grad_()


def without_statistics() -> nn.Module:
    return norm(track_running_stats=False)


@pytest.mark.parametrize("make", [training, learned, without_statistics])
def test_what_is_not_fixed_is_left_to_torch(make: Callable[[], nn.Module]) -> None:
    x, gradient = torch.randn(LARGE), torch.randn(LARGE)
    output, by_torch = passed(make(), x, gradient)
    with FixedNorm():
        same, ours = passed(make(), x, gradient)
    assert torch.equal(same, output)
    assert torch.equal(ours, by_torch)


def test_an_in_place_relu_may_follow() -> None:
    network = nn.Sequential(norm(), nn.ReLU(inplace=True))
    x, gradient = torch.randn(LARGE), torch.randn(LARGE)
    _, by_torch = passed(network, x, gradient)
    with FixedNorm():
        _, ours = passed(network, x, gradient)
    torch.testing.assert_close(ours, by_torch, rtol=1e-5, atol=1e-6)

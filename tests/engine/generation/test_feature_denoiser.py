"""The denoising autoencoder, on codes of which the best answer is known."""

import torch
from torch import Tensor

from convscope.engine.generation.feature_denoiser import FeatureDenoiser
from convscope.engine.generation.losses import feature_loss

LENGTH, NOISE = 6, 0.5


def correlated(count: int, chance: torch.Generator, mixing: Tensor) -> Tensor:
    return (torch.randn(count, 2, generator=chance) @ mixing.T)[:, :, None, None]


def test_what_it_learns_of_a_gaussian_is_the_slope_of_its_likelihood() -> None:
    """Of h ~ N(0, S) under noise of variance s^2 the best R(h) is S (S + s^2 I)^-1 h, so that R(h) - h is s^2 times the
    gradient of the logarithm of the noisy density: -(S + s^2 I)^-1 h s^2 (Alain & Bengio 2014)."""
    chance = torch.Generator().manual_seed(0)
    mixing = torch.randn(LENGTH, 2, generator=chance)
    torch.manual_seed(0)
    denoiser = FeatureDenoiser((LENGTH, 1, 1), (32, 32))
    optimizer = torch.optim.Adam(denoiser.parameters(), 3e-3)
    for step in range(1500):
        codes = correlated(256, chance, mixing)
        noise = NOISE * torch.randn(codes.shape, generator=chance)
        loss = feature_loss(denoiser(codes + noise), codes)
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / 1500)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    denoiser.eval()
    codes = correlated(500, chance, mixing)
    seen = codes + NOISE * torch.randn(codes.shape, generator=chance)
    covariance = mixing @ mixing.T + NOISE**2 * torch.eye(LENGTH)
    slope = -(torch.linalg.inv(covariance) @ seen.flatten(1).T).T * NOISE**2
    with torch.no_grad():
        found = (denoiser(seen) - seen).flatten(1)
    # A small network of leaky ReLUs is nearly linear after 1500 steps: within a tenth of the slope's length.
    assert (found - slope).norm() < 0.1 * slope.norm()


def test_on_a_grid_it_sees_neighbours_and_on_a_vector_there_are_none() -> None:
    torch.manual_seed(0)
    grid, vector = FeatureDenoiser((4, 5, 6), (8, 3)).eval(), FeatureDenoiser((4, 1, 1), (8, 3)).eval()
    codes = torch.zeros(1, 4, 5, 6)
    changed = codes.clone()
    changed[0, 0, 2, 3] = 1.0
    with torch.no_grad():
        moved = (grid(changed) - grid(codes)).abs().sum(dim=1)[0] > 0
        assert grid(codes).shape == codes.shape
        assert vector(codes[:, :, :1, :1]).shape == (1, 4, 1, 1)
    # Three layers of 3 x 3 reach three places.
    assert moved[2, 2]
    assert moved[4, 0]

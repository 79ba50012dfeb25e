"""The walk over codes, against its formula."""

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.langevin import Langevin
from convscope.engine.synthesis.optimizers.optimizer import Look

pytestmark = pytest.mark.usefixtures("exactly")
START = torch.randn(2, 3, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
PULL = torch.randn(2, 3, 1, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Slope:
    """Rises the same way everywhere."""

    def climb(self, variables: Tensor) -> Look:
        return Look((variables * PULL).sum(dim=(1, 2, 3)), torch.zeros(2), PULL, 2 * PULL)

    def look(self, variables: Tensor, rows: list[int]) -> Look:
        raise AssertionError("a walk climbs")


def half(codes: Tensor) -> Tensor:
    return 0.5 * codes


def clipped(codes: Tensor) -> Tensor:
    return codes.clamp(-0.9, 0.9)


def walked(steps: int, *, denoising: float = 0.2, noise: float = 0.3, every: int = 2) -> tuple[Langevin, Tensor]:
    walk = Langevin(
        half,
        lambda step: 0.1 / (1 + step),
        clipped,
        denoising=denoising,
        noise=noise,
        every=every,
        variables=START,
        copies=2,
    )
    variables, chance = START, torch.Generator().manual_seed(7)
    for step in range(steps):
        variables, _ = walk.step(step, variables, Slope(), chance)
    return walk, variables


def test_a_step_is_the_papers_three_terms() -> None:
    """Towards the denoised code, up the filtered gradient, and noise; then kept in range."""
    code, chance = START.numpy(), torch.Generator().manual_seed(7)
    links = []
    for step in range(5):
        noise = torch.randn(START.shape, generator=chance).numpy()
        code = code + 0.2 * (0.5 * code - code) + 0.1 / (1 + step) * 2 * PULL.numpy() + 0.3 * noise
        code = np.clip(code, -0.9, 0.9)
        links.append(code)
    walk, found = walked(5)
    np.testing.assert_allclose(found, code, rtol=1e-12)
    np.testing.assert_allclose(walk.chain, np.stack(links[1::2]), rtol=1e-12)


def test_each_term_can_be_left_out() -> None:
    _, bare = walked(1, denoising=0.0, noise=0.0)
    torch.testing.assert_close(bare, clipped(START + 0.1 * 2 * PULL))
    _, denoised = walked(1, noise=0.0)
    assert not torch.equal(denoised, bare)


def test_without_a_condition_it_samples_what_the_denoiser_has_learned() -> None:
    """Of codes N(0, 1) under noise of variance s^2, R(h) = h / (1 + s^2): a pull of c = e s^2 / (1 + s^2). With noise
    of variance 2 c the walk stays at N(0, 1), but for the length of its steps: its variance is 1 / (1 - c / 2)."""
    square, part = 0.25, 0.4
    pull = part * square / (1 + square)
    codes = torch.zeros(1, 4000, 1, 1)

    class Flat:
        def climb(self, variables: Tensor) -> Look:
            return Look(torch.zeros(1), torch.zeros(1), torch.zeros_like(variables), torch.zeros_like(variables))

        def look(self, variables: Tensor, rows: list[int]) -> Look:
            raise AssertionError("a walk climbs")

    walk = Langevin(
        lambda codes: codes / (1 + square), lambda step: 1.0, lambda codes: codes,
        denoising=part, noise=(2 * pull) ** 0.5, every=1000, variables=codes,
    )  # fmt: skip
    chance = torch.Generator().manual_seed(3)
    for step in range(200):
        codes, _ = walk.step(step, codes, Flat(), chance)
    # 4000 numbers know their variance to 2 %; three deviations.
    assert codes.var().item() == pytest.approx(1 / (1 - pull / 2), rel=0.07)


def test_it_goes_on_with_its_way() -> None:
    walk, _ = walked(4)
    again = Langevin(half, lambda step: 1.0, clipped, denoising=0.2, noise=0.3, every=2, variables=START)
    again.restore({name: tensor.clone() for name, tensor in walk.state().items()}, START)
    assert torch.equal(again.chain, walk.chain)
    assert len(again.chain) == 2
    with pytest.raises(ValueError, match="another shape"):
        again.restore({"chain": torch.zeros(2, 1, 3, 1, 1)}, START)
    with pytest.raises(KeyError):
        again.restore({}, START)

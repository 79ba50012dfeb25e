"""The walk over codes, against its formula."""

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.langevin import Annealed, Langevin, Steady
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
    paces = Steady(denoising, noise, lambda step: 0.1 / (1 + step), every)
    walk = Langevin(half, paces, clipped, variables=START, copies=2)
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

    paces = Steady(part, (2 * pull) ** 0.5, lambda step: 1.0, 1000)
    walk = Langevin(lambda codes: codes / (1 + square), paces, lambda codes: codes, variables=codes)
    chance = torch.Generator().manual_seed(3)
    for step in range(200):
        codes, _ = walk.step(step, codes, Flat(), chance)
    # 4000 numbers know their variance to 2 %; three deviations.
    assert codes.var().item() == pytest.approx(1 / (1 - pull / 2), rel=0.07)


def test_it_goes_on_with_its_way() -> None:
    walk, _ = walked(4)
    again = Langevin(half, Steady(0.2, 0.3, lambda step: 1.0, 2), clipped, variables=START)
    again.restore({name: tensor.clone() for name, tensor in walk.state().items()}, START)
    assert torch.equal(again.chain, walk.chain)
    assert len(again.chain) == 2
    with pytest.raises(ValueError, match="another shape"):
        again.restore({"chain": torch.zeros(2, 1, 3, 1, 1)}, START)
    with pytest.raises(KeyError):
        again.restore({}, START)


def test_noise_falls_to_what_it_is_to_be_and_the_walk_samples() -> None:
    """Of codes N(m, 1), whose denoiser at a level s is known: R(h) = (h + s^2 m) / (1 + s^2), where many numbers'
    variance tells s. What is left in the end is N(m, 1) with the lowest noise over it, whatever it began with."""
    highest, lowest, steps, mean = 20.0, 0.1, 80, 3.0
    chance = torch.Generator().manual_seed(5)
    codes = highest * torch.randn(1, 20_000, 1, 1, generator=chance)

    def denoised(codes: Tensor) -> Tensor:
        square = (codes.var() - 1).clamp_min(0)
        return (codes + square * mean) / (1 + square)

    class Flat:
        def climb(self, variables: Tensor) -> Look:
            return Look(torch.zeros(1), torch.zeros(1), torch.zeros_like(variables), torch.zeros_like(variables))

        def look(self, variables: Tensor, rows: list[int]) -> Look:
            return Look(torch.zeros(1), torch.zeros(1))

    walk = Langevin(denoised, Annealed(highest, lowest, 2, 2 * steps, lambda step: 1.0), lambda codes: codes,
                    variables=codes)  # fmt: skip
    for step in range(2 * steps):
        codes, _ = walk.step(step, codes, Flat(), chance)
    assert len(walk.chain) == 2
    for link in walk.chain:
        assert link.mean().item() == pytest.approx(mean, abs=0.1)
        assert link.var().item() == pytest.approx(1, abs=0.15)
    # A cycle keeps little of the one before: noise of 20 over codes of 1.
    before, after = (link.flatten() - mean for link in walk.chain)
    assert abs(torch.corrcoef(torch.stack([before, after]))[0, 1].item()) < 0.1


@pytest.mark.parametrize("cycles", [1, 4])
def test_it_ends_with_the_best_link_of_each_picture(cycles: int) -> None:
    class Counting(Slope):
        """Looks twice as high as it climbs, and nothing is known of some."""

        def look(self, variables: Tensor, rows: list[int]) -> Look:
            assert rows == [0, 1]
            heights = (variables * PULL).sum(dim=(1, 2, 3))
            known = torch.where(heights == heights.min(), torch.nan, heights)
            return Look(known, 2 * heights) if len(walk.chain) > 1 else Look(heights, 2 * heights)

    walk = Langevin(half, Annealed(3.0, 0.5, cycles, 12, lambda step: 0.0), clipped, variables=START)
    variables, chance = START, torch.Generator().manual_seed(7)
    for step in range(12):
        variables, found = walk.step(step, variables, Counting(), chance)
    assert len(walk.chain) == cycles
    looks = [Counting().look(link, [0, 1]) for link in walk.chain]
    for row in range(2):
        heights = [float(look.values[row]) for look in looks]
        best = max(range(cycles), key=lambda link: -np.inf if np.isnan(heights[link]) else heights[link])
        assert torch.equal(variables[row], walk.chain[best][row])
        assert found.values[row] == heights[best]
        assert found.scores[row] == looks[best].scores[row]


@pytest.mark.parametrize("power", [1, 2])
def test_cycles_share_the_steps(power: int) -> None:
    paces = Annealed(10.0, 0.1, 3, 10, lambda step: 2.0, power=power)
    assert [step for step in range(10) if paces.links(step)] == [2, 6, 9]
    assert [step for step in range(10) if paces.at(step).begins] == [3, 7]
    for first, end in ((0, 3), (3, 7), (7, 10)):
        ratio = 0.01 ** (1 / (end - first - 1))
        for step in range(first, end):
            pace, level = paces.at(step), 10.0 * ratio ** (step - first)
            assert pace.denoising == pytest.approx(1 - ratio**2)
            assert pace.factor == pytest.approx(2.0 * pace.denoising * level**power)
            # What is left of the noise, and what is added, are the next level together.
            left = (1 - pace.denoising) * level
            expected = 0.0 if step == end - 1 else ratio * level
            assert pace.wandering == pytest.approx(max(0.0, expected**2 - left**2) ** 0.5)

"""Ways uphill, against those of torch and SciPy."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.adam import Adam
from convscope.engine.synthesis.optimizers.evolution import Evolution
from convscope.engine.synthesis.optimizers.gradient_ascent import GradientAscent
from convscope.engine.synthesis.optimizers.lbfgs import MEMORY, Lbfgs
from convscope.engine.synthesis.optimizers.optimizer import Look, Optimizer
from tests.engine.synthesis.hills import Bowl, FormulaHill, Height, climbed

pytestmark = pytest.mark.usefixtures("exactly")
# Sums of some sixty numbers in float64, in another order, over some ten steps.
ROUNDING = 1e-10
START = torch.zeros(2, 3, 4, 5, dtype=torch.float64)


def unbounded(variables: Tensor) -> Tensor:
    return variables


def by_torch(optimizer: torch.optim.Optimizer, leaf: Tensor, height: Height, sizes: list[float]) -> list[Tensor]:
    """The variables after each step of an optimizer of torch's, with a step size for each."""
    passed = []
    for size in sizes:
        optimizer.param_groups[0]["lr"] = size
        optimizer.zero_grad()
        height(leaf, list(range(len(leaf)))).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        passed.append(leaf.detach().clone())
    return passed


def test_adam_is_torchs() -> None:
    bowl, sizes = Bowl(2), [0.05 * 0.9**step for step in range(15)]
    leaf = START.clone().requires_grad_()
    expected = by_torch(torch.optim.Adam([leaf], maximize=True), leaf, bowl, sizes)
    found = climbed(Adam(sizes.__getitem__, START), bowl, START, 15)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradient_ascent_is_torchs(momentum: float) -> None:
    bowl, sizes = Bowl(2), [1e-3 * (1 + step) for step in range(10)]
    leaf = START.clone().requires_grad_()
    expected = by_torch(torch.optim.SGD([leaf], momentum=momentum, maximize=True), leaf, bowl, sizes)
    found = climbed(GradientAscent(sizes.__getitem__, momentum), bowl, START, 10)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=ROUNDING, atol=ROUNDING)


def test_gradient_ascent_rests_where_it_is_told_to() -> None:
    """As a new optimizer of torch's would go on from there."""
    bowl, leaf, expected = Bowl(2), START.clone().requires_grad_(), []
    for length in (4, 3, 3):
        optimizer = torch.optim.SGD([leaf], momentum=0.9, maximize=True)
        expected += by_torch(optimizer, leaf, bowl, [2e-3] * length)
    found = climbed(GradientAscent(lambda step: 2e-3, 0.9, lambda step: step in {0, 4, 7}), bowl, START, 10)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=ROUNDING, atol=ROUNDING)


def test_lbfgs_reaches_the_top_for_two_pictures_at_once() -> None:
    bowl = Bowl(2)
    # Sixty numbers with curvatures of 1 to 100 take about two steps for each number to seven digits.
    found = climbed(Lbfgs(lambda step: 1.0, START, unbounded), bowl, START, 120)
    assert (found[-1].flatten(1) - bowl.peaks).abs().max() < 1e-7
    values = [bowl(variables, [0, 1]) for variables in found]
    assert all((later >= earlier).all() for earlier, later in pairwise(values)), "no step goes down"


def test_lbfgs_gives_each_picture_what_it_gets_alone() -> None:
    bowl = Bowl(2)
    together = climbed(Lbfgs(lambda step: 1.0, START, unbounded), bowl, START, 12)
    for row in range(2):
        alone = climbed(Lbfgs(lambda step: 1.0, START[:1], unbounded), bowl.alone(row), START[:1], 12)
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one[row : row + 1], other, rtol=ROUNDING, atol=ROUNDING)


def test_lbfgs_reaches_on_one_picture_what_scipys_and_torchs_reach() -> None:
    bowl, start = Bowl(1), START[:1]

    def descended(flat: np.ndarray) -> tuple[float, np.ndarray]:
        found = FormulaHill(bowl).climb(torch.from_numpy(flat).view(bowl.shape))
        assert found.gradient is not None
        return -found.values.item(), -found.gradient.flatten().numpy()

    options = {"maxcor": MEMORY, "maxiter": 60, "ftol": 0, "gtol": 0}
    scipys = scipy.optimize.minimize(descended, np.zeros(60), jac=True, method="L-BFGS-B", options=options)
    leaf = start.clone().requires_grad_()
    torchs = torch.optim.LBFGS([leaf], max_iter=60, history_size=MEMORY, tolerance_grad=0, tolerance_change=0,
                               line_search_fn="strong_wolfe")  # fmt: skip

    def closure() -> Tensor:
        torchs.zero_grad()
        loss = -bowl(leaf, [0]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    torchs.step(closure)  # type: ignore[no-untyped-call]
    ours = climbed(Lbfgs(lambda step: 1.0, start, unbounded), bowl, start, 60)[-1]
    first = bowl(start, [0]).item()
    left = {"ours": -bowl(ours, [0]).item(), "torch's": -bowl(leaf.detach(), [0]).item(), "SciPy's": scipys.fun}
    # Of a height of hundreds all three leave less than a billionth: with a line search of their own, theirs the exact
    # ones of Wolfe, ours but the first half that rises, no two go the same way.
    assert max(left.values()) < 1e-9 * -first, left


def test_lbfgs_makes_its_directions_by_the_two_loops_of_the_book() -> None:
    """Against the inverse Hessian as a matrix, updated by equation 6.17: what the two loops are short for."""
    bowl, start = Bowl(1, (1, 2, 4)), torch.zeros(1, 1, 2, 4)
    optimizer = Lbfgs(lambda step: 1.0, start, unbounded)
    places, slopes, generator = [start.flatten()], [], torch.Generator()
    for step in range(MEMORY - 1):
        place = places[-1]
        found = FormulaHill(bowl).climb(place.view(bowl.shape))
        assert found.gradient is not None
        slopes.append(-found.gradient.flatten())
        moved, _ = optimizer.step(step, place.view(bowl.shape), FormulaHill(bowl), generator)
        inverse = torch.eye(8) / slopes[0].abs().max()
        pairs = [(s - r, y - w) for (r, s), (w, y) in zip(pairwise(places), pairwise(slopes), strict=True)]
        if pairs:
            s, y = pairs[-1]
            inverse = torch.eye(8) * (s @ y) / (y @ y)
        for s, y in pairs:
            rho = 1 / (s @ y)
            left = torch.eye(8) - rho * torch.outer(s, y)
            inverse = left @ inverse @ left.T + rho * torch.outer(s, s)
        direction = -inverse @ slopes[-1]
        taken = moved.flatten() - place
        # The step, or its half, or that one's half ...
        halvings = torch.log2(direction.norm() / taken.norm()).round()
        assert 0 <= halvings <= Lbfgs.HALVINGS
        torch.testing.assert_close(taken * 2**halvings, direction, rtol=1e-8, atol=1e-8)  # of ill-conditioned matrices
        places.append(moved.flatten())


def test_lbfgs_stays_in_its_range() -> None:
    bowl = Bowl(2)

    def bound(variables: Tensor) -> Tensor:
        return variables.clamp(-0.5, 0.5)

    optimizer = Lbfgs(lambda step: 1.0, START, bound)
    found = climbed(optimizer, bowl, START, 30)
    assert all(variables.abs().max() <= 0.5 for variables in found)
    values = [bowl(variables, [0, 1]) for variables in found]
    assert all((later >= earlier).all() for earlier, later in pairwise(values))
    assert (values[-1] > values[0]).all()


def test_lbfgs_stays_where_nothing_rises() -> None:
    top = Bowl(2).peaks.view(START.shape)
    found = climbed(Lbfgs(lambda step: 1.0, START, unbounded), Bowl(2), top, 3)
    torch.testing.assert_close(found[-1], top, rtol=0, atol=0)


class FailingHill(FormulaHill):
    """Fails where a step is tried."""

    def look(self, variables: Tensor, rows: list[int]) -> Look:
        raise ZeroDivisionError


def test_a_step_of_lbfgs_that_failed_can_be_taken_again() -> None:
    bowl, generator = Bowl(2), torch.Generator()
    undisturbed, disturbed = (Lbfgs(lambda step: 1.0, START, unbounded) for _ in range(2))
    ways = [START, START]
    for step in range(4):
        with pytest.raises(ZeroDivisionError):
            disturbed.step(step, ways[1], FailingHill(bowl), generator)
        ways = [
            one.step(step, variables, FormulaHill(bowl), generator)[0]
            for one, variables in zip((undisturbed, disturbed), ways, strict=True)
        ]
        torch.testing.assert_close(ways[1], ways[0], rtol=0, atol=0)
    for name, tensor in undisturbed.state().items():
        torch.testing.assert_close(disturbed.state()[name], tensor, rtol=0, atol=0)


def evolution(population: int = 6, bound: float = np.inf) -> Evolution:
    def mutated(variables: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        return variables + strength * torch.randn(variables.shape, generator=generator)

    return Evolution(mutated, lambda step: 0.2, population, lambda variables: variables.clamp(-bound, bound))


def test_evolution_never_gets_worse_and_gets_better() -> None:
    bowl = Bowl(2)
    found = climbed(evolution(), bowl, START, 60)
    values = torch.stack([bowl(variables, [0, 1]) for variables in [START, *found]])
    assert (values.diff(dim=0) >= 0).all()
    assert (values[-1] > 0.7 * values[0]).all(), "a third of the way at least is done; heights are negative"


def test_evolution_is_seeded() -> None:
    first, same, other = (climbed(evolution(), Bowl(2), START, 5, seed)[-1] for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_evolution_gives_each_picture_what_it_gets_alone() -> None:
    bowl = Bowl(2)
    together = climbed(evolution(), bowl, START, 20)
    for row in range(2):
        alone = climbed(evolution(), bowl.alone(row), START[:1], 20)
        for one, other in zip(together, alone, strict=True):
            assert torch.equal(one[row : row + 1], other)


def test_the_best_of_parent_and_children_lives_on() -> None:
    """By hand: all children of one generation, the first of the best."""
    bowl, generator = Bowl(1), torch.Generator().manual_seed(3)
    family = [START[:1]] + [0.2 * torch.randn(START[:1].shape, generator=generator) for _ in range(6)]
    heights = [bowl(one, [0]).item() for one in family]
    hill = FormulaHill(bowl)
    found, look = evolution().step(0, START[:1], hill, torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, family[int(np.argmax(heights))], rtol=ROUNDING, atol=0)
    assert hill.looks == 7
    assert look.values.item() == pytest.approx(heights[0], rel=ROUNDING), "what it found before it moved"
    assert look.gradient is None


def test_children_stay_in_their_range() -> None:
    assert all(variables.abs().max() <= 0.3 for variables in climbed(evolution(bound=0.3), Bowl(2), START, 10))


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "adam": lambda: Adam(lambda step: 0.05, START),
    "gradient ascent": lambda: GradientAscent(lambda step: 1e-3),
    "momentum": lambda: GradientAscent(lambda step: 1e-3, 0.9),
    "lbfgs": lambda: Lbfgs(lambda step: 1.0, START, unbounded),
    "evolution": evolution,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_that_is_restored_goes_on_as_if_nothing_had_been(name: str) -> None:
    bowl, generator = Bowl(2), torch.Generator().manual_seed(0)
    undisturbed = OPTIMIZERS[name]()
    resumed = OPTIMIZERS[name]()
    variables = START
    for step in range(13):
        variables, _ = undisturbed.step(step, variables, FormulaHill(bowl), generator)
    kept = {key: tensor.clone() for key, tensor in undisturbed.state().items()}
    resumed.restore(kept, variables)
    chances = [torch.Generator(), torch.Generator()]
    ways = [variables.clone(), variables.clone()]
    for chance in chances:
        chance.set_state(generator.get_state())
    for step in range(13, 16):
        ways = [
            one.step(step, way, FormulaHill(bowl), chance)[0]
            for one, way, chance in zip((undisturbed, resumed), ways, chances, strict=True)
        ]
        assert torch.equal(*ways)


@pytest.mark.parametrize("name", ["adam", "momentum", "lbfgs"])
def test_a_state_that_does_not_fit_is_refused(name: str) -> None:
    optimizer = OPTIMIZERS[name]()
    optimizer.step(0, START, FormulaHill(Bowl(2)), torch.Generator())
    for key in optimizer.state():
        state = optimizer.state() | {key: torch.zeros(3)}
        with pytest.raises(ValueError, match="another shape"):
            OPTIMIZERS[name]().restore(state, START)
        del state[key]
        with pytest.raises(KeyError):
            OPTIMIZERS[name]().restore(state, START)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_leaves_the_variables_it_was_given(name: str) -> None:
    optimizer = OPTIMIZERS[name]()
    given = START.clone()
    for step in range(2):
        moved, _ = optimizer.step(step, given, FormulaHill(Bowl(2)), torch.Generator())
        assert torch.equal(given, START)
        assert moved.data_ptr() != given.data_ptr()

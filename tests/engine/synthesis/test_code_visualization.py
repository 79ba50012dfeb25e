"""Pictures by a learned prior: every recipe runs, goes on from any checkpoint to the byte, and keeps its way."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from PIL import Image

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.errors import InvalidInput, InvalidParameter
from convscope.engine.generation.codes import CodeRange
from convscope.engine.generation.errors import PriorMismatch
from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.prior import Prior
from convscope.engine.generation.training import Training
from convscope.engine.imaging.contact_sheet import MARGIN
from convscope.engine.models.model import Model
from convscope.engine.synthesis.channel_visualization import channel_visualization
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.recipes import RECIPES
from convscope.engine.synthesis.synthesis import Synthesis
from tests.engine.generation.made_pictures import bars
from tests.engine.synthesis.tiny_network import HEIGHT, WIDTH

Start = Callable[[bytes | None], Synthesis]
CODED = [name for name, recipe in RECIPES.items() if recipe.parameters.parameterization == "code"]
UNITS = [UnitTarget("6", 3), UnitTarget("10", 2, (1, 4))]


@pytest.fixture(scope="module")
def priors(tiny: Model) -> dict[str, Prior]:
    """Of a vector and of a grid; trained for a second."""
    found = {}
    for layer in ("12", "10"):
        training = Training(tiny, layer, bars(64, HEIGHT, WIDTH), TrainingParameters(steps=30, batch=8, seed=1))
        for _ in training:
            pass
        found[layer] = training.prior()
    return found


def starts(model: Model, prior: Prior, name: str, kind: str = "class", **overrides: Any) -> Start:
    chain = {"cycles": 2} if name == "nguyen2016_ppgn" else {}
    parameters = RECIPES[name].with_overrides({"steps": 7, "seed": 5, **chain, **overrides})

    def start(checkpoint: bytes | None) -> Synthesis:
        if kind == "class":
            return class_visualization(model, [1, 2], parameters, None, checkpoint, prior=prior)
        return channel_visualization(model, UNITS, parameters, None, checkpoint, prior=prior)

    return start


def finish(synthesis: Synthesis) -> Synthesis:
    for _ in synthesis:
        pass
    return synthesis


def sheets(synthesis: Synthesis) -> dict[str, bytes]:
    return {name: sheet.tobytes() for name, sheet in synthesis.extra_pictures().items()}


@pytest.mark.parametrize("layer", ["12", "10"])
@pytest.mark.parametrize("kind", ["class", "unit"])
@pytest.mark.parametrize("name", CODED)
def test_going_on_gives_to_the_byte_what_an_undisturbed_run_gives(
    tiny: Model, priors: dict[str, Prior], name: str, kind: str, layer: str
) -> None:
    start = starts(tiny, priors[layer], name, kind, copies=2)
    undisturbed = start(None)
    kept = {0: undisturbed.checkpoint()}
    for state in undisturbed:
        kept[state.step] = undisturbed.checkpoint()
    for checkpoint in kept.values():
        resumed = finish(start(checkpoint))
        assert resumed.values().tobytes() == undisturbed.values().tobytes()
        assert resumed.history() == undisturbed.history()
        assert resumed.checkpoint() == kept[7]
        assert sheets(resumed) == sheets(undisturbed)
        assert bool(sheets(resumed)) == (name == "nguyen2016_ppgn"), "the other is no walk"
    assert undisturbed.values().tobytes() != start(None).values().tobytes(), "something was done"


def test_the_papers_recipes_are_there() -> None:
    assert CODED == ["nguyen2016_dgn", "nguyen2016_ppgn"]
    assert all(RECIPES[name].additions == ("learned_prior",) for name in CODED)


def exact(prior: Prior) -> Prior:
    """In float64."""
    wide = CodeRange(*(part.double() for part in (prior.range.mean, prior.range.std, prior.range.lowest)))
    generator, denoiser = deepcopy(prior.generator).double(), deepcopy(prior.denoiser).double()
    return replace(prior, generator=generator, denoiser=denoiser, range=wide)


@pytest.mark.usefixtures("exactly")
def test_dgn_is_ascent_on_the_code_with_decay_within_its_bounds(tiny_exactly: Model, priors: dict[str, Prior]) -> None:
    """Step by step: the class's score of the generator's picture, whose gradient is divided by its mean absolute value;
    steps that shrink to nothing; then a hundredth taken off, then three standard deviations."""
    model, prior, steps = tiny_exactly, exact(priors["12"]), 20
    synthesis = finish(starts(model, prior, "nguyen2016_dgn", steps=steps, step_size=2.0, noise=1.0)(None))
    lowest, highest = prior.range.bounds
    code = torch.randn(1, 16, 1, 1, generator=torch.Generator().manual_seed(5)).clamp(lowest, highest)
    codes, clipped = code.repeat(2, 1, 1, 1), 0
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (model.preprocessing.mean, model.preprocessing.std)
    )
    for step in range(steps):
        codes = codes.requires_grad_()
        scores = model.module((prior.generator(codes) - mean) / std)[[0, 1], [1, 2]]
        (gradient,) = torch.autograd.grad(scores.sum(), codes)
        gradient = gradient / gradient.abs().mean(dim=(1, 2, 3), keepdim=True)
        size = 2.0 + (1e-10 - 2.0) * step / (steps - 1)
        codes = (0.99 * (codes.detach() + size * gradient)).clamp(lowest, highest)
        clipped += int((codes == highest).sum() + (codes == lowest).sum())
    found = synthesis.state().variables
    # Twenty steps in float64, each of which multiplies the rounding of the one before.
    torch.testing.assert_close(found, codes, rtol=1e-6, atol=1e-6)
    assert clipped, "a bound was reached on the way"
    assert synthesis.progress().scores == pytest.approx(scores.tolist(), rel=1e-6)


@pytest.mark.parametrize("denoiser", ["joint", "autoencoder"])
def test_ppgn_goes_towards_what_its_denoiser_gives(
    tiny: Model, priors: dict[str, Prior], denoiser: Literal["joint", "autoencoder"]
) -> None:
    """Without a condition and noise the whole way is R(h), by hand: of joint the code of the code's picture."""
    prior = priors["12"]
    parameters = SynthesisParameters(
        parameterization="code", optimizer="langevin", noise=1.0, steps=1, step_size=1e-30, denoising=1.0,
        denoiser=denoiser, copies=3, seed=2,
    )  # fmt: skip
    synthesis = class_visualization(tiny, [4], parameters, prior=prior)
    before = synthesis.state().variables
    synthesis.advance()
    if denoiser == "autoencoder":
        wanted = prior.denoiser(before)
    else:
        reader = prior.check(tiny)
        wanted = (reader(prior.generator(before)) - prior.range.mean) / prior.range.std
    torch.testing.assert_close(synthesis.state().variables, wanted, rtol=1e-5, atol=1e-5)


def test_the_chain_is_the_pictures_on_the_way(tiny: Model, priors: dict[str, Prior]) -> None:
    synthesis = starts(tiny, priors["12"], "nguyen2016_ppgn", copies=2)(None)
    assert synthesis.chain() == []
    assert synthesis.extra_pictures() == {}
    passed = {state.step: state.pictures() for state in synthesis}
    for place, (first, last) in enumerate(synthesis.chain()):
        assert first.tobytes() == passed[4][place].tobytes()
        assert passed[7][place].tobytes() in (first.tobytes(), last.tobytes()), "the better one of them"
    sheet = synthesis.extra_pictures()["chain.png"]
    assert sheet.width > 2 * WIDTH
    assert sheet.height == MARGIN + 4 * (HEIGHT + MARGIN), "no room for words"


def test_a_chain_that_is_long_is_shown_evenly(tiny: Model, priors: dict[str, Prior]) -> None:
    synthesis = finish(starts(tiny, priors["12"], "nguyen2016_ppgn", steps=80, cycles=40)(None))
    short = finish(starts(tiny, priors["12"], "nguyen2016_ppgn", steps=32, cycles=16)(None))
    assert len(synthesis.chain()[0]) == 40
    assert synthesis.extra_pictures()["chain.png"].size == short.extra_pictures()["chain.png"].size


def test_results_name_what_each_picture_is_for(tiny: Model, priors: dict[str, Prior]) -> None:
    classes = finish(starts(tiny, priors["12"], "nguyen2016_dgn")(None)).results()
    assert [one["target"] for one in classes] == [1, 2]
    assert {"label", "probability", "score"} <= classes[0].keys()
    units = finish(starts(tiny, priors["12"], "nguyen2016_dgn", "unit")(None)).results()
    assert [one["unit"] for one in units] == [
        {"layer": "6", "channel": 3},
        {"layer": "10", "channel": 2, "row": 1, "column": 4},
    ]


@pytest.mark.usefixtures("exactly")
@pytest.mark.parametrize("name", CODED)
def test_each_picture_is_what_it_would_be_alone(tiny_exactly: Model, priors: dict[str, Prior], name: str) -> None:
    """Exactly: convolutions of other batches round otherwise, and steps of a fixed length turn on the least of it."""
    prior = exact(priors["12"])
    chain = {"cycles": 2} if name == "nguyen2016_ppgn" else {}
    parameters = RECIPES[name].with_overrides({"steps": 7, "seed": 5, "copies": 2} | chain)
    both = finish(class_visualization(tiny_exactly, [1, 2], parameters, prior=prior)).values()
    alone = finish(class_visualization(tiny_exactly, [2], parameters, prior=prior)).values()
    assert abs(both[2:] - alone).max() < 1e-6
    assert abs(alone[0] - alone[1]).max() > 1e-2, "copies differ"


@pytest.mark.parametrize("name", CODED)
def test_a_prior_of_another_network_is_refused(tiny: Model, priors: dict[str, Prior], name: str) -> None:
    with pytest.raises(PriorMismatch) as caught:
        starts(replace(tiny, weights_digest="0" * 64), priors["12"], name)(None)
    assert caught.value.field == "prior"


def test_a_checkpoint_of_another_prior_is_refused(tiny: Model, priors: dict[str, Prior]) -> None:
    checkpoint = starts(tiny, priors["12"], "nguyen2016_dgn")(None).checkpoint()
    with pytest.raises(CheckpointInvalid, match="prior"):
        starts(tiny, priors["10"], "nguyen2016_dgn")(checkpoint)


@pytest.mark.parametrize("name", CODED)
def test_a_recipe_of_codes_needs_a_prior(tiny: Model, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        class_visualization(tiny, [1], RECIPES[name].parameters)
    assert (caught.value.field, caught.value.reason) == ("prior", "PRIOR_MISSING")


def test_a_recipe_of_pixels_takes_none(tiny: Model, priors: dict[str, Prior]) -> None:
    with pytest.raises(InvalidInput) as caught:
        class_visualization(tiny, [1], RECIPES["simonyan2013"].parameters, prior=priors["12"])
    assert (caught.value.field, caught.value.reason) == ("prior", "CONTRADICTION")


def test_a_picture_to_start_from_is_its_code(tiny: Model, priors: dict[str, Prior]) -> None:
    prior = priors["10"]
    picture = bars(1, HEIGHT, WIDTH)
    parameters = RECIPES["nguyen2016_ppgn"].with_overrides({"copies": 2})
    image = Image.fromarray(picture[0].permute(1, 2, 0).numpy())
    found = class_visualization(tiny, [1, 2], parameters, image, prior=prior).state().variables
    code = prior.range.standardized(prior.check(tiny)(picture.float() / 255))
    torch.testing.assert_close(found, code.expand(4, -1, -1, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "overrides", [{"optimizer": "adam"}, {"optimizer": "lbfgs"}, {"optimizer": "evolution"}, {"jitter": 4, "l2": 1e-6}]
)
def test_codes_go_with_every_other_part(tiny: Model, priors: dict[str, Prior], overrides: dict[str, Any]) -> None:
    whole = {"parameterization": "code", "noise": 1.0, "bounded": True, "steps": 6, "step_size": 0.1, **overrides}
    parameters = SynthesisParameters.parse(whole)
    synthesis = class_visualization(tiny, [1], parameters, prior=priors["12"])
    first = synthesis.pictures()[0].tobytes()
    scores = [state.progress().loss for state in synthesis]
    assert scores[-1] < scores[0]
    assert synthesis.pictures()[0].tobytes() != first


@pytest.mark.parametrize(
    ("field", "value"),
    [("cycles", 0), ("cycles", 1001), ("final_noise", -1.0), ("final_noise", 30.0), ("decay", 1.0),
     ("denoiser", "mine"), ("chain_every", 0), ("size", 64),
     ("blur", 1.0), ("momentum", 0.5), ("brightness", 100.0), ("parameterization", "pixels")],
)  # fmt: skip
def test_a_parameter_out_of_its_range_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidParameter) as caught:
        RECIPES["nguyen2016_ppgn"].with_overrides({field: value})
    assert caught.value.field == ("optimizer" if field == "parameterization" else field)


@pytest.mark.parametrize("field", ["denoising", "denoiser", "wandering", "chain_every", "final_noise", "cycles"])
def test_what_only_a_walk_has_is_refused_elsewhere(field: str) -> None:
    value = {"denoiser": "joint", "chain_every": 3, "cycles": 2}.get(field, 0.5)
    with pytest.raises(InvalidParameter) as caught:
        RECIPES["nguyen2016_dgn"].with_overrides({field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["denoising", "wandering", "chain_every"])
def test_what_falling_noise_decides_is_not_said_beside_it(field: str) -> None:
    with pytest.raises(InvalidParameter, match="final_noise") as caught:
        RECIPES["nguyen2016_ppgn"].with_overrides({field: 3 if field == "chain_every" else 0.5})
    assert caught.value.field == field


def test_the_papers_own_steps_are_all_alike(tiny: Model, priors: dict[str, Prior]) -> None:
    own = {"final_noise": 0.0, "cycles": 1, "denoising": 1e-5, "wandering": 1e-17, "step_size": 1.0, "chain_every": 2}
    parameters = RECIPES["nguyen2016_ppgn"].with_overrides({**own, "noise": 1.0, "steps": 4})
    made = finish(class_visualization(tiny, [1], parameters, prior=priors["12"]))
    assert len(made.chain()[0]) == 2


def test_codes_are_not_denoised_twice(tiny: Model, priors: dict[str, Prior]) -> None:
    """A step needs R's answer for the picture and for the way: once a step, in parts, and once where a cycle begins."""
    prior = priors["12"]
    seen: list[int] = []
    handle = prior.denoiser.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    try:
        synthesis = starts(tiny, prior, "nguyen2016_ppgn", copies=5)(None)
        seen.clear()
        counts = []
        while not synthesis.over:
            synthesis.advance()
            counts.append(sum(seen))
            seen.clear()
    finally:
        handle.remove()
    pictures = len(synthesis.state().variables)
    assert pictures == 10
    looks = 2 * pictures  # at both links, in the end
    assert counts == [pictures] * 4 + [2 * pictures] + [pictures] + [pictures + looks]

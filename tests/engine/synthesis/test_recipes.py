"""Every recipe runs, and goes on from any checkpoint to the byte."""

from collections.abc import Callable
from itertools import pairwise
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.errors import InvalidParameter, UnknownName
from convscope.engine.models.model import Model
from convscope.engine.synthesis.channel_visualization import channel_visualization
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.feature_inversion import feature_inversion
from convscope.engine.synthesis.parameters import Stage, SynthesisParameters
from convscope.engine.synthesis.recipes import DEFAULT_INVERSION, DEFAULT_RECIPE, INVERSIONS, RECIPES, find_recipe
from convscope.engine.synthesis.stages import Stages
from convscope.engine.synthesis.synthesis import Synthesis
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import around, resized

Start = Callable[[bytes | None], Synthesis]
# Those of codes need a prior: test_code_visualization.py.
ALL = [
    *(("class", name) for name, recipe in RECIPES.items() if recipe.parameters.parameterization != "code"),
    *(("features", name) for name in INVERSIONS),
]
# So many that each of Øygaard's stages has a step.
STEPS = {"oygaard2015": 50}


def starts(model: Model, picture: Image.Image, kind: str, name: str, **overrides: Any) -> tuple[Start, Stages]:
    recipe = (RECIPES if kind == "class" else INVERSIONS)[name]
    parameters = recipe.with_overrides({"steps": STEPS.get(name, 8), "seed": 5, **overrides})

    def start(checkpoint: bytes | None) -> Synthesis:
        if kind == "class":
            return class_visualization(model, [1, 2], parameters, checkpoint=checkpoint)
        return feature_inversion(model, picture, ["4", "10"], parameters, checkpoint)

    return start, Stages(parameters)


@pytest.mark.parametrize("recipes", [RECIPES, INVERSIONS])
def test_what_a_recipe_sets_is_checked_as_a_callers_values_are(recipes: dict[str, Any]) -> None:
    for name, recipe in recipes.items():
        assert recipe.name == name
        assert SynthesisParameters.parse(recipe.parameters.model_dump()) == recipe.parameters
        assert recipe.with_overrides({}) == recipe.parameters
        assert recipe.with_overrides({"seed": 3}).seed == 3
        with pytest.raises(ValueError, match="frozen"):
            recipe.parameters.steps = 3
        with pytest.raises(AttributeError):
            recipe.name = "mine"
        assert all((recipe.system, recipe.source, recipe.summary))
    assert DEFAULT_RECIPE in RECIPES
    assert DEFAULT_INVERSION in INVERSIONS


def test_recipes_are_found_by_name() -> None:
    assert find_recipe("olah2017", RECIPES) is RECIPES["olah2017"]
    with pytest.raises(UnknownName, match="olah2017") as caught:
        find_recipe("olah2018", RECIPES)
    assert caught.value.field == "recipe"


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_going_on_gives_to_the_byte_what_an_undisturbed_run_gives(
    tiny: Model, photographs: dict[str, Image.Image], kind: str, name: str
) -> None:
    start, stages = starts(tiny, photographs["china"], kind, name)
    undisturbed = start(None)
    total = undisturbed.total
    kept = {0: undisturbed.checkpoint()}
    for state in undisturbed:
        kept[state.step] = undisturbed.checkpoint()
    borders = [step for step in range(total) if stages.begins(step)]
    near = {step + way for step in borders for way in (-1, 0, 1) if 0 <= step + way <= total}
    for step in sorted({*near, total // 2, total - 1}):
        resumed = start(kept[step])
        for _ in resumed:
            pass
        assert resumed.values().tobytes() == undisturbed.values().tobytes(), f"from step {step}"
        assert resumed.history() == undisturbed.history()
        assert resumed.checkpoint() == kept[total]
    assert undisturbed.values().tobytes() != start(None).values().tobytes(), "something was done"


@pytest.mark.parametrize("name", ["nguyen2015_direct", "olah2017", "szegedy2013", "mordvintsev2016"])
def test_so_it_does_on_a_network_with_blocks(load: Load, photographs: dict[str, Image.Image], name: str) -> None:
    """Each with variables and memory of its own kind; where torch has a convolution for each memory format."""
    start, _ = starts(resized(load("resnet18"), 64, 64), photographs["china"], "class", name, steps=4)
    undisturbed = start(None)
    for _ in range(2):
        undisturbed.advance()
    resumed = start(undisturbed.checkpoint())
    for synthesis in (undisturbed, resumed):
        for _ in synthesis:
            pass
    assert resumed.values().tobytes() == undisturbed.values().tobytes()


def changed(name: str, **overrides: Any) -> tuple[str, dict[str, Any]]:
    return name, overrides


@pytest.mark.parametrize(
    ("field", "recipe"),
    [
        ("stages", changed("olah2017", parameterization="cppn", stages=[{"scale": 1.0}])),
        ("stages", changed("mordvintsev2016", parameterization="cppn", laplacian_levels=0, brightness=None)),
        ("blur", changed("olah2017", blur=1.0)),
        ("final_blur", changed("olah2017", final_blur=1.0)),
        ("bounded", changed("oygaard2015", parameterization="fourier", brightness=None)),
        ("bilateral", changed("olah2017", bilateral=3)),
        ("laplacian_levels", changed("olah2017", laplacian_levels=2)),
        ("gradient_blur", changed("nguyen2015", gradient_blur=1.0)),
        ("normalization", changed("nguyen2015", normalization="norm")),
        ("normalization", changed("nguyen2015_direct", normalization="mean_abs")),
        ("normalization", changed("nguyen2015_gradient", optimizer="evolution")),
        ("redirected_relu_steps", changed("olah2017", optimizer="evolution")),
        ("drop_contribution", changed("nguyen2015_direct", drop_contribution=0.5)),
        ("diversity", changed("nguyen2015_direct", diversity=1.0, copies=2)),
        ("diversity", changed("olah2017", diversity=1.0)),
        ("momentum", changed("olah2017", momentum=0.9)),
        ("momentum", changed("szegedy2013", momentum=0.9)),
        ("optimizer", changed("mordvintsev2015", optimizer="adam")),
        ("optimizer", changed("oygaard2015", optimizer="lbfgs")),
        ("start_l2", changed("oygaard2015", start_l2=1.0)),
        ("nothing", changed("olah2017", nothing=1)),
        ("step_size", changed("olah2017", step_size=-1.0)),
        ("step_size", changed("olah2017", step_size=nan)),
        ("step_size", changed("erhan2009", step_size=1e300)),
        ("final_step_size", changed("erhan2009", final_step_size=inf)),
        ("noise", changed("olah2017", noise=nan)),
        ("tv_weight", changed("mahendran2015", tv_weight=-1e-9)),
        ("bilateral", changed("tyka2016", bilateral=4)),
        ("median", changed("tyka2016", median=2)),
        ("size", changed("olah2017", size=31)),
        ("optimizer", changed("olah2017", optimizer="sgd")),
        ("stages", changed("oygaard2015", stages=[{"share": 0.0}])),
        ("stages", changed("oygaard2015", stages=[{"share": 1e308}, {"share": 1e308}])),
        ("stages", changed("oygaard2015", stages=[{"step": (nan, 1.0)}])),
        ("stages", changed("oygaard2015", stages=[{"step": (1.0, 1e300)}])),
        ("stages", changed("oygaard2015", stages=[{"scale": 9.0}])),
        ("stages", changed("oygaard2015", stages=[{"nothing": 9.0}])),
        ("stages", changed("oygaard2015", stages=[{}] * 17)),
    ],
)
def test_what_does_not_go_together_names_the_field(field: str, recipe: tuple[str, dict[str, Any]]) -> None:
    name, overrides = recipe
    with pytest.raises(InvalidParameter, match=field) as caught:
        RECIPES[name].with_overrides(overrides)
    assert caught.value.field == field
    assert len(caught.value.message) < 1500


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("oygaard2015", {"stages": [], "optimizer": "adam"}),
        ("oygaard2015", {"stages": [Stage(), Stage(step=(0.5, 0.1))], "optimizer": "lbfgs", "bounded": True}),
        ("mordvintsev2015", {"stages": [{"scale": 1.0, "step": [1, 2]}], "start_l2": 1e-3}),
        ("olah2017", {"parameterization": "pixels", "blur": 1.0}),
        ("olah2017", {"diversity": 1.0, "copies": 4}),
        ("olah2017", {"optimizer": "evolution", "redirected_relu_steps": 0}),
        ("nguyen2015", {"parameterization": "fourier", "copies": 2}),
        ("szegedy2013", {"parameterization": "cppn", "bounded": False}),
    ],
)
def test_what_goes_together_runs(tiny: Model, name: str, overrides: dict[str, Any]) -> None:
    parameters = RECIPES[name].with_overrides({"steps": 4, **overrides})
    synthesis = class_visualization(tiny, [1], parameters)
    for _ in synthesis:
        pass
    assert np.isfinite(synthesis.progress().loss)
    assert synthesis.values().shape == (parameters.copies, 48, 40, 3)


@pytest.mark.parametrize("step_size", [1e30, 1e-30])
@pytest.mark.parametrize("optimizer", ["gradient_ascent", "adam", "lbfgs", "evolution"])
def test_the_longest_and_the_shortest_step_are_steps(tiny: Model, optimizer: str, step_size: float) -> None:
    """They may run away; then the parameter is named."""
    parameters = SynthesisParameters.parse({"optimizer": optimizer, "step_size": step_size, "steps": 3, "noise": 10.0})
    synthesis = class_visualization(tiny, [1], parameters)
    for _ in synthesis:
        pass
    if torch.isfinite(synthesis.state().variables).all():
        assert synthesis.values().shape == (1, 48, 40, 3)
    else:
        with pytest.raises(InvalidParameter) as caught:
            synthesis.values()
        assert caught.value.field == "step_size"


@pytest.mark.parametrize("step_size", [1.0, 3.5])
def test_a_step_of_mean_abs_moves_a_picture_by_so_many_grey_levels_on_average(tiny: Model, step_size: float) -> None:
    """And so what the network takes by step_size / (255 std)."""
    parameters = SynthesisParameters(normalization="mean_abs", step_size=step_size, noise=10.0, steps=1)
    synthesis = class_visualization(tiny, [1, 2], parameters)
    before = synthesis.state().variables
    synthesis.advance()
    moved = synthesis.state().variables - before
    # Means of 5760 numbers in float32.
    torch.testing.assert_close(moved.abs().mean(dim=(1, 2, 3)), torch.full((2,), step_size), rtol=1e-4, atol=0)
    std = torch.tensor(tiny.preprocessing.std).view(3, 1, 1)
    seen = (moved / (255 * std)).abs() * std
    torch.testing.assert_close(seen.mean(dim=(1, 2, 3)), torch.full((2,), step_size / 255), rtol=1e-4, atol=0)


def test_redirected_relus_wake_a_dead_unit_in_the_first_steps_alone(load: Load) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).requires_grad_(False)
    nn.init.constant_(module[0].bias, -50.0)  # type: ignore[arg-type]
    model = around(load("resnet18"), module)
    parameters = SynthesisParameters(redirected_relu_steps=2, steps=4, noise=10.0, step_size=1.0)
    synthesis = channel_visualization(model, [UnitTarget("1", 0)], parameters)
    passed = [synthesis.values().tobytes()]
    for _ in synthesis:
        passed.append(synthesis.values().tobytes())
    assert [after != before for before, after in pairwise(passed)] == [True, True, False, False]
    assert not any(score for (score,) in synthesis.history()["scores"]), "it is still dead"


@pytest.mark.parametrize(
    ("name", "decay", "blur", "every", "drop_norm", "drop_contribution"),
    [
        ("yosinski2015", 0, 0.5, 4, 0.5, 0),
        ("yosinski2015_2", 0.3, 0, 1, 0.2, 0),
        ("yosinski2015_3", 1e-4, 1.0, 4, 0, 0),
        ("yosinski2015_4", 0, 0.5, 4, 0, 0.9),
    ],
)
def test_yosinskis_four_settings_are_those_of_the_code(  # noqa: PLR0917  # a row of the table
    name: str, decay: float, blur: float, every: int, drop_norm: float, drop_contribution: float
) -> None:
    found = RECIPES[name].parameters
    assert (found.decay, found.blur, found.blur_every) == (decay, blur, every)
    assert (found.drop_norm, found.drop_contribution, found.noise) == (drop_norm, drop_contribution, 10)

"""What changes along the way of a synthesis."""

from typing import Any

import pytest
from PIL import Image

from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.parameters import Stage, SynthesisParameters
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from convscope.engine.synthesis.stages import Stages


def stages(**values: Any) -> Stages:
    return Stages(SynthesisParameters.parse(values))


def test_steps_are_shared_out() -> None:
    found = stages(steps=10, stages=(Stage(share=1), Stage(share=3), Stage(share=1)))
    assert [found.at(step) for step in range(12)] == [0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2]
    assert [step for step in range(12) if found.begins(step)] == [0, 2, 8]


@pytest.mark.parametrize("steps", range(1, 30))
def test_every_step_has_its_stage(steps: int) -> None:
    parameters = SynthesisParameters(steps=steps, stages=tuple(Stage(share=share) for share in (190, 150, 150, 10)))
    assert sum(stage.share for stage in parameters.schedule()) == steps
    found = Stages(parameters)
    assert sorted({found.at(step) for step in range(steps)}) == list(range(len(found.stages)))


def test_without_stages_there_is_one() -> None:
    found = stages(steps=5)
    assert [found.at(step) for step in range(5)] == [0] * 5
    assert [found.begins(step) for step in range(5)] == [True] + [False] * 4


def test_step_size_and_blur_go_evenly_from_the_first_step_to_the_last() -> None:
    found = stages(steps=5, step_size=8.0, final_step_size=4.0, blur=2.0, final_blur=0.0)
    assert [found.step_size(step) for step in range(5)] == [8, 7, 6, 5, 4]
    assert [found.blur(step) for step in range(5)] == [2, 1.5, 1, 0.5, 0]


def test_factors_of_a_stage_multiply_what_is_in_force() -> None:
    found = stages(
        steps=6,
        step_size=10.0,
        final_step_size=5.0,
        blur=1.0,
        stages=(Stage(step=(1, 3), blur=(2, 4)), Stage(step=(0.5, 0.5))),
    )
    assert [found.step_size(step) for step in range(6)] == pytest.approx([10, 9 * 2, 8 * 3, 7 / 2, 6 / 2, 5 / 2])
    assert [found.blur(step) for step in range(6)] == pytest.approx([2, 3, 4, 1, 1, 1])


def test_one_step_has_the_first_value() -> None:
    found = stages(steps=1, step_size=8.0, final_step_size=4.0, blur=2.0, final_blur=1.0)
    assert (found.step_size(0), found.blur(0)) == (8, 2)


def test_oygaards_schedule_is_that_of_the_published_code() -> None:
    """(layer, steps, scale over the stage before, sigma, step size) of shared/RECIPES.md, at each stage's ends. Step
    sizes count over the first one, which is tuned to today's networks."""
    published = (
        ("loss3/classifier", 190, 1, (2.5, 0.78), (11, 11)),
        ("loss3/classifier", 150, 1.2, (0.936, 0.78), (6, 6)),
        ("loss2/classifier", 150, 1.2, (0.936, 0.44), (6, 3)),
        ("loss1/classifier", 10, 1, (0.44, 0.304), (3, 3)),
    )
    parameters = RECIPES["oygaard2015"].parameters
    found, first, scale = Stages(parameters), 0, 1.0
    assert parameters.steps == 500
    assert (parameters.brightness, parameters.noise) == (200, 8)
    for place, (layer, steps, growth, sigmas, sizes) in enumerate(published):
        last = first + steps - 1
        scale *= growth
        stage = found.stages[place]
        assert (stage.layer, stage.share) == (layer, steps)
        assert stage.scale == pytest.approx(scale)
        assert (found.at(first), found.at(last)) == (place, place)
        assert (found.blur(first), found.blur(last)) == pytest.approx(sigmas)
        over_first = [11 * found.step_size(step) / found.step_size(0) for step in (first, last)]
        assert over_first == pytest.approx(sizes)
        first = last + 1
    assert first == 500


def test_mahendrans_rates_fall_as_in_the_published_code() -> None:
    """For 100 steps the first rate, for 200 a tenth of it, for 100 a hundredth; at each change the velocity is
    forgotten."""
    found = Stages(INVERSIONS["mahendran2015"].parameters)
    over_first = [found.step_size(step) / found.step_size(0) for step in range(400)]
    assert over_first == pytest.approx([1.0] * 100 + [0.1] * 200 + [0.01] * 100)
    assert [step for step in range(400) if found.begins(step)] == [0, 100, 300]


def test_a_start_has_the_size_of_the_first_stage_that_has_a_step(tiny: Model) -> None:
    """Of one step the first of Øygaard's stages has none."""
    parameters = RECIPES["oygaard2015"].with_overrides({"steps": 1})
    height, width = parameters.start_size(48, 40)
    synthesis = class_visualization(tiny, [1], parameters, start=Image.new("RGB", (width, height)))
    assert synthesis.values().shape == (1, height, width, 3)
    synthesis.advance()
    assert synthesis.values().shape == (1, height, width, 3)

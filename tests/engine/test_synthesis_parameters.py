"""Parameters of a synthesis, checked in one place."""

from typing import Any

import pytest

from convscope.engine.errors import InvalidParameter
from convscope.engine.parameters import Parameters
from convscope.engine.synthesis.parameters import AdversarialParameters, DeepDreamParameters, SynthesisParameters

NOT_NUMBERS = (float("nan"), float("inf"), -float("inf"), -1.0, 1e300, "1")
NUMBERS = (
    "step_size", "l2", "alpha_weight", "tv_weight", "start_l2", "momentum", "noise", "blur", "gradient_blur", "decay",
    "fixed_norm", "bilateral_color", "bilateral_space", "drop_norm", "drop_contribution", "scaling", "rotation",
    "diversity", "alpha", "tv_beta", "brightness", "final_step_size", "final_blur",
)  # fmt: skip
COUNTS: dict[str, tuple[Any, ...]] = {
    "steps": (0, -1, 100_001, 10**9),
    "copies": (0, 17),
    "population": (0, 257),
    "laplacian_levels": (-1, 9),
    "redirected_relu_steps": (-1, 1001),
    "pad": (-1, 257),
    "jitter": (-1, 257),
    "jitter_after": (-1, 257),
    "blur_every": (0, 1001),
    "bilateral": (-1, 2, 14, 17),
    "median": (-1, 2, 14, 17),
    "seed": (-1, 2**63),
}
BAD: list[tuple[type[Parameters], str, Any]] = [
    (SynthesisParameters, name, value) for name in NUMBERS for value in NOT_NUMBERS
]
BAD += [
    (SynthesisParameters, name, value)
    for name, values in COUNTS.items()
    for value in (*values, 1.5, "1", None, float("nan"))
]
BAD += [
    (SynthesisParameters, name, None) for name in ("step_size", "l2", "noise", "output", "bounded", "stages", "blur")
]
BAD += [(DeepDreamParameters, name, value) for name in ("step_size", "octave_scale") for value in (*NOT_NUMBERS, None)]
BAD += [
    (kind, "steps", value)
    for kind in (SynthesisParameters, DeepDreamParameters, AdversarialParameters)
    for value in (0, -1, 10**9, 1.5, "10", True, float("nan"))
]
BAD += [
    (kind, name, value)
    for kind in (SynthesisParameters, DeepDreamParameters)
    for name, values in (("jitter", (-1, 257)), ("seed", (-1, 2**63, 0.5)), ("nothing", (1,)))
    for value in values
]
BAD += [
    (SynthesisParameters, "step_size", 0.0),
    (SynthesisParameters, "momentum", 1.0),
    (SynthesisParameters, "decay", 1.0),
    (SynthesisParameters, "drop_norm", 1.0),
    (SynthesisParameters, "scaling", 1.0),
    (SynthesisParameters, "rotation", 180.1),
    (SynthesisParameters, "blur", 32.1),
    (SynthesisParameters, "brightness", 255.1),
    (SynthesisParameters, "alpha", 0.9),
    (SynthesisParameters, "alpha", 12.1),
    (SynthesisParameters, "tv_beta", 0.9),
    (SynthesisParameters, "tv_beta", 4.1),
    (SynthesisParameters, "size", 31),
    (SynthesisParameters, "size", 4097),
    (SynthesisParameters, "bounded", 1),
    (SynthesisParameters, "window", "yes"),
    (SynthesisParameters, "output", "logit"),
    (SynthesisParameters, "optimizer", "sgd"),
    (SynthesisParameters, "normalization", True),
    (SynthesisParameters, "parameterization", "gan"),
    (SynthesisParameters, "stages", 1),
    (SynthesisParameters, "stages", ({"share": -1.0},)),
    (SynthesisParameters, "stages", ({"scale": 0.0},)),
    (SynthesisParameters, "stages", ({"step": (1.0,)},)),
    (SynthesisParameters, "stages", ({"blur": (1.0, -1.0)},)),
    (SynthesisParameters, "stages", ({"layer": 3},)),
    (DeepDreamParameters, "octaves", 0),
    (DeepDreamParameters, "octaves", 11),
    (DeepDreamParameters, "octave_scale", 1.0),
    (DeepDreamParameters, "octave_scale", 4.5),
    (DeepDreamParameters, "size", 31),
    (DeepDreamParameters, "size", 4097),
    (DeepDreamParameters, "layer", 3),
    (DeepDreamParameters, "channels", (1, 2, 1)),
    (DeepDreamParameters, "channels", (-1,)),
    (DeepDreamParameters, "channels", ("1",)),
    (DeepDreamParameters, "channels", 1),
    (DeepDreamParameters, "channels", tuple(range(1001))),
]


@pytest.mark.parametrize(("kind", "name", "value"), BAD)
def test_a_bad_value_is_refused_by_name(kind: type[Parameters], name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=name) as caught:
        kind.parse({name: value})
    assert caught.value.field == name
    # One that is not known is told with all that are.
    assert len(caught.value.message) < (1500 if name == "nothing" else 300)


def test_the_ends_of_the_ranges_are_taken() -> None:
    parsed = SynthesisParameters.parse(
        {"steps": 100_000, "step_size": 1, "l2": 0, "momentum": 0.0, "jitter": 256, "blur": 0.0, "seed": 2**63 - 1}
    )
    assert (parsed.steps, parsed.step_size, parsed.seed) == (100_000, 1, 2**63 - 1)
    largest = {"size": 4096, "brightness": 255, "blur": 32, "rotation": 180, "bilateral": 15, "copies": 16, "l2": 1e30}
    assert SynthesisParameters.parse(largest).brightness == 255
    assert SynthesisParameters.parse({"size": 32, "alpha": 1, "tv_beta": 1, "population": 1}).size == 32
    stages = SynthesisParameters.parse({"stages": [{"scale": 8, "step": [0, 1]}] * 16}).stages
    assert stages[15].step == (0, 1)
    dream = DeepDreamParameters.parse(
        {"channels": [0, 3], "steps": 1000, "octaves": 10, "octave_scale": 4.0, "size": 4096}
    )
    assert dream.channels == (0, 3)
    assert DeepDreamParameters.parse({"channels": tuple(range(1000))}).channels[-1] == 999
    assert AdversarialParameters.parse({"epsilon": 1 / 255, "restarts": 16}).epsilon == 1 / 255
    assert AdversarialParameters.parse({"epsilon": 0.001, "norm": "l2"}).norm == "l2"


def test_parameters_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        DeepDreamParameters().steps = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        SynthesisParameters().steps = 3  # type: ignore[misc]

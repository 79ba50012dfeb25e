"""Parameters of a synthesis, checked in one place."""

from typing import Any

import pytest

from convscope.engine.errors import InvalidParameter
from convscope.engine.parameters import Parameters
from convscope.engine.synthesis.parameters import ClassVisualizationParameters, DeepDreamParameters

BAD: list[tuple[type[Parameters], str, Any]] = [
    (kind, name, value)
    for kind, names in (
        (ClassVisualizationParameters, ("step_size", "l2", "momentum", "noise", "blur")),
        (DeepDreamParameters, ("step_size", "octave_scale")),
    )
    for name in names
    for value in (float("nan"), float("inf"), -float("inf"), -1.0, "1", None)
]
BAD += [
    (kind, "steps", value)
    for kind in (ClassVisualizationParameters, DeepDreamParameters)
    for value in (0, -1, 10**9, 1.5, "10", True, float("nan"))
]
BAD += [
    (kind, name, value)
    for kind in (ClassVisualizationParameters, DeepDreamParameters)
    for name, values in (("jitter", (-1, 257)), ("seed", (-1, 2**63, 0.5)), ("nothing", (1,)))
    for value in values
]
BAD += [
    (ClassVisualizationParameters, "step_size", 0.0),
    (ClassVisualizationParameters, "momentum", 1.0),
    (ClassVisualizationParameters, "normalized", 1),
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
    assert len(caught.value.message) < 300


def test_the_ends_of_the_ranges_are_taken() -> None:
    parsed = ClassVisualizationParameters.parse(
        {"steps": 100_000, "step_size": 1, "l2": 0, "momentum": 0.0, "jitter": 256, "blur": 0.0, "seed": 2**63 - 1}
    )
    assert (parsed.steps, parsed.step_size, parsed.seed) == (100_000, 1, 2**63 - 1)
    dream = DeepDreamParameters.parse(
        {"channels": [0, 3], "steps": 1000, "octaves": 10, "octave_scale": 4.0, "size": 4096}
    )
    assert dream.channels == (0, 3)
    assert DeepDreamParameters.parse({"channels": tuple(range(1000))}).channels[-1] == 999


def test_parameters_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        DeepDreamParameters().steps = 3  # type: ignore[misc]

"""Whatever may be explained is explained as the engine does, and named. (Bad targets: test_bad_input.py.)"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from PIL import Image as PillowImage
from torch import Tensor

from convscope.client.tensors import from_array, to_array
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.target import ClassTarget, UnitTarget
from convscope.engine.attribution.target import Target as EngineTarget
from convscope.engine.models.model import Model
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeResponse
from convscope.v1.image_pb2 import Image
from convscope.v1.target_pb2 import ClassReference, ClassSum, Target, Unit
from tests.engine.rounding import assert_same_but_rounding
from tests.services.asking import Parameters, method
from tests.services.calls import SECONDS, Stubs
from tests.services.test_attribute import as_tensor, prepare

TABBY, TIGER, CAT, LYNX = 281, 282, 285, 287
SCORE, PROBABILITY, LOG = Target.OUTPUT_SCORE, Target.OUTPUT_PROBABILITY, Target.OUTPUT_LOG_PROBABILITY


@dataclass(frozen=True)
class Case:
    """A target of the contract, the engine's, its name, and what it is of the scores [classes]."""

    name: str
    target: Target | None
    engine: EngineTarget | None
    words: str
    explained: Callable[[Tensor], Tensor]


def index(number: int) -> ClassReference:
    return ClassReference(index=number)


def label(name: str) -> ClassReference:
    return ClassReference(label=name)


def class_sum(*plus: ClassReference, minus: tuple[ClassReference, ...] = ()) -> ClassSum:
    return ClassSum(plus=plus, minus=minus)


CLASSES = [
    Case("nothing", None, None, "", lambda scores: scores.max()),
    Case("an empty target", Target(), None, "", lambda scores: scores.max()),
    Case(
        "the top probability",
        Target(output=PROBABILITY),
        ClassTarget(output="probability"),
        "",
        lambda scores: scores.softmax(0).max(),
    ),
    Case("an index", Target(class_index=CAT), ClassTarget((CAT,)), "Egyptian cat", lambda scores: scores[CAT]),
    Case("class 0", Target(class_index=0), ClassTarget((0,)), "tench", lambda scores: scores[0]),
    Case("a label", Target(class_label=" TABBY"), ClassTarget((TABBY,)), "tabby", lambda scores: scores[TABBY]),
    Case(
        "a score that is named",
        Target(class_index=CAT, output=SCORE),
        ClassTarget((CAT,), output="score"),
        "Egyptian cat",
        lambda scores: scores[CAT],
    ),
    Case(
        "a probability",
        Target(class_index=CAT, output=PROBABILITY),
        ClassTarget((CAT,), output="probability"),
        "Egyptian cat",
        lambda scores: scores.softmax(0)[CAT],
    ),
    Case(
        "a log probability",
        Target(class_label="lynx", output=LOG),
        ClassTarget((LYNX,), output="log_probability"),
        "lynx",
        lambda scores: scores.log_softmax(0)[LYNX],
    ),
    Case(
        "a sum",
        Target(classes=class_sum(label("tabby"), index(TIGER), label("Egyptian cat"))),
        ClassTarget((TABBY, TIGER, CAT)),
        "tabby + tiger cat + Egyptian cat",
        lambda scores: scores[TABBY] + scores[TIGER] + scores[CAT],
    ),
    Case(
        "a difference",
        Target(classes=class_sum(index(TABBY), minus=(label("lynx"),))),
        ClassTarget((TABBY,), (LYNX,)),
        "tabby - lynx",
        lambda scores: scores[TABBY] - scores[LYNX],
    ),
    Case(
        "some rather than others, of the probability",
        Target(classes=class_sum(index(CAT), index(TABBY), minus=(index(0), index(LYNX))), output=PROBABILITY),
        ClassTarget((CAT, TABBY), (0, LYNX), "probability"),
        "Egyptian cat + tabby - tench - lynx",
        lambda scores: (scores.softmax(0)[[CAT, TABBY]] - scores.softmax(0)[[0, LYNX]]).sum(),
    ),
    Case(
        "a class twice",
        Target(classes=class_sum(index(CAT), index(CAT))),
        ClassTarget((CAT, CAT)),
        "Egyptian cat + Egyptian cat",
        lambda scores: 2 * scores[CAT],
    ),
    Case(
        "a hundred classes less a hundred",
        Target(classes=class_sum(*map(index, range(100)), minus=tuple(map(index, range(100, 200))))),
        ClassTarget(tuple(range(100)), tuple(range(100, 200))),
        "tench + goldfish + ",
        lambda scores: scores[:100].sum() - scores[100:200].sum(),
    ),
]
METHODS: list[tuple[str, Parameters]] = [
    ("gradient", {}),
    ("grad_cam", {"relu": False}),
    ("layer_cam", {"layer": "blocks.10", "relu": False}),
    ("occlusion", {"window": 112, "stride": 112}),
    ("rise", {"masks": 4}),
    ("score_cam", {"masks": 4, "relu": False}),
]
OF_PROBABILITY = ("occlusion", "rise")
"""Methods that explain the probability where nothing is said."""


@dataclass(frozen=True)
class Asked:
    """A picture and its answers, from the server and from the engine."""

    stubs: Stubs
    here: Model
    images: Tensor

    def server(self, name: str, parameters: Parameters, target: Target | None, **fields: Any) -> AttributeResponse:
        image = Image(preprocessed=from_array(self.images[0].numpy()))
        request = AttributeRequest(
            model="models/efficientnet_lite0", image=image, method=method(name, parameters), target=target, **fields
        )
        return self.stubs.attribute(request, timeout=SECONDS)

    def engine(self, name: str, parameters: Parameters, target: EngineTarget | None) -> Attribution:
        # Differences of probabilities magnify what folding rounds: those go through the network that the server runs.
        read = {target.layer} if isinstance(target, UnitTarget) else set()
        module = self.here.variant("float32", read) if name in OF_PROBABILITY else self.here.module
        return attribute_fully(module, self.images, target, name, preprocessing=self.here.preprocessing, **parameters)

    def scores(self) -> Tensor:
        """[classes], in double precision."""
        with torch.no_grad():
            scores: Tensor = self.here.module(self.images)[0]
        return scores.double()


@pytest.fixture(scope="module")
def asked(stubs: Stubs, models_here: dict[str, Model], cat: PillowImage.Image) -> Asked:
    here = models_here["efficientnet_lite0"]
    return Asked(stubs, here, prepare(here, cat))


@pytest.mark.parametrize(("name", "parameters"), METHODS, ids=[name for name, _ in METHODS])
@pytest.mark.parametrize("case", CLASSES, ids=lambda case: str(case.name))
def test_classes_are_explained_as_the_engine_does(case: Case, name: str, parameters: Parameters, asked: Asked) -> None:
    response = asked.server(name, parameters, case.target)
    expected = asked.engine(name, parameters, case.engine)
    assert_same_but_rounding(as_tensor(to_array(response.attribution)), expected.values)
    assert response.explained == pytest.approx(float(expected.explained), rel=1e-4, abs=1e-6)
    (named,) = expected.targets.each
    assert isinstance(named, ClassTarget)
    assert response.target.index == named.classes[0]
    says_output = case.target is not None and case.target.output
    if says_output or name not in OF_PROBABILITY:
        assert response.explained == pytest.approx(float(case.explained(asked.scores())), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("case", CLASSES, ids=lambda case: str(case.name))
def test_classes_are_named(case: Case, asked: Asked) -> None:
    response = asked.server("grad_cam", {}, case.target)
    labels, top = asked.here.labels, int(asked.scores().argmax())
    if case.words.endswith("+ "):
        assert response.target_name.startswith(case.words)
        assert response.target_name.count(" + ") == 99
        assert response.target_name.count(" - ") == 100
    else:
        assert response.target_name == (case.words or labels[top])
    first = case.engine.classes[0] if isinstance(case.engine, ClassTarget) and case.engine.classes[0] >= 0 else top
    assert (response.target.index, response.target.label) == (first, labels[first])
    assert response.target.score == pytest.approx(float(asked.scores()[first]), rel=1e-4)
    assert response.target.probability == pytest.approx(float(asked.scores().softmax(0)[first]), rel=1e-3)


@pytest.mark.parametrize(("name", "parameters"), METHODS, ids=[name for name, _ in METHODS])
def test_what_is_explained_by_default_is_the_score_or_of_some_methods_the_probability(
    name: str, parameters: Parameters, asked: Asked
) -> None:
    default, score, probability = (
        asked.server(name, parameters, Target(class_index=CAT, output=output))
        for output in (Target.OUTPUT_UNSPECIFIED, SCORE, PROBABILITY)
    )
    same, other = (probability, score) if name in OF_PROBABILITY else (score, probability)
    assert default == same
    assert default.explained == pytest.approx(
        float((asked.scores().softmax(0) if name in OF_PROBABILITY else asked.scores())[CAT]), rel=1e-3
    )
    assert other.explained != pytest.approx(default.explained, rel=1e-2)
    assert other.attribution != default.attribution


UNITS = {
    "a channel's mean": (Unit(layer="blocks.10", channel=5), UnitTarget("blocks.10", 5), "blocks.10[5]"),
    "channel 0": (Unit(layer="head", channel=0), UnitTarget("head", 0), "head[0]"),
    "the last channel": (Unit(layer="blocks.10", channel=111), UnitTarget("blocks.10", 111), "blocks.10[111]"),
    "a channel at a place": (
        Unit(layer="blocks.10", channel=5, row=3, column=4),
        UnitTarget("blocks.10", 5, (3, 4)),
        "blocks.10[5, 3, 4]",
    ),
    "a channel at the first place": (
        Unit(layer="blocks.10", channel=7, row=0, column=0),
        UnitTarget("blocks.10", 7, (0, 0)),
        "blocks.10[7, 0, 0]",
    ),
    "a class as a unit": (Unit(layer="classifier", channel=CAT), UnitTarget("classifier", CAT), f"classifier[{CAT}]"),
}
OF_UNITS: list[tuple[str, Parameters]] = [
    ("gradient", {}),
    ("saliency", {"abs": False}),
    ("grad_cam", {"layer": "blocks.5", "relu": False}),
    ("occlusion", {"window": 112, "stride": 112}),
    ("rise", {"masks": 4}),
    ("smooth_grad", {"samples": 2}),
]


@pytest.mark.parametrize(("name", "parameters"), OF_UNITS, ids=[name for name, _ in OF_UNITS])
@pytest.mark.parametrize("case", UNITS)
def test_units_are_explained_as_the_engine_does_and_named(
    case: str, name: str, parameters: Parameters, asked: Asked
) -> None:
    unit, engine, words = UNITS[case]
    response = asked.server(name, parameters, Target(unit=unit))
    expected = asked.engine(name, parameters, engine)
    assert_same_but_rounding(as_tensor(to_array(response.attribution)), expected.values)
    assert response.target_name == words
    assert not response.HasField("target")
    assert response.predictions[0].index == int(asked.scores().argmax())
    assert response.explained == pytest.approx(float(activation(asked, engine)), rel=1e-3, abs=1e-5)


def activation(asked: Asked, unit: UnitTarget) -> Tensor:
    """What a unit is, as a hook sees it."""
    seen: list[Tensor] = []
    handle = asked.here.module.get_submodule(unit.layer).register_forward_hook(
        lambda _, __, output: seen.append(output.detach().clone())
    )
    try:
        asked.scores()
    finally:
        handle.remove()
    output = seen[-1][0, unit.channel]
    return output[unit.place] if unit.place else output.mean()


def test_the_output_changes_nothing_of_a_unit(asked: Asked) -> None:
    unit = Unit(layer="blocks.10", channel=5)
    outputs = (Target.OUTPUT_UNSPECIFIED, PROBABILITY)
    plain, other = (asked.server("saliency", {}, Target(unit=unit, output=output)) for output in outputs)
    assert plain == other


def test_a_unit_of_a_layer_that_folding_would_change_is_the_original_one(asked: Asked) -> None:
    changed = next(
        layer.name
        for layer in asked.here.layers.layers
        if "Conv2d" in layer.type and asked.here.variant("float32", {layer.name}) is asked.here.module
    )
    assert asked.here.variant("float32") is not asked.here.module
    target = UnitTarget(changed, 3)
    response = asked.server("rise", {"masks": 4}, Target(unit=Unit(layer=changed, channel=3)))
    expected = asked.engine("rise", {"masks": 4}, target)
    assert_same_but_rounding(as_tensor(to_array(response.attribution)), expected.values)
    assert response.explained == pytest.approx(float(activation(asked, target)), rel=1e-3, abs=1e-5)

"""What a caller can have explained: each kind of target, as it is sent and as it is answered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convscope.client import Classes, Client, FailedPrecondition, InvalidArgument, Unit, Variant
from convscope.client.targets import to_class, to_target
from convscope.v1.target_pb2 import ClassReference, ClassSum, Target
from convscope.v1.target_pb2 import Unit as UnitMessage
from tests.clients.answers import assert_close, assert_same_answer, class_of
from tests.clients.conftest import Ask
from tests.clients.names import LITE, RESNET

TABBY, EGYPTIAN = 281, 285
SCORE, PROBABILITY, LOG_PROBABILITY = Target.OUTPUT_SCORE, Target.OUTPUT_PROBABILITY, Target.OUTPUT_LOG_PROBABILITY


def sums(plus: list[int | str], minus: list[int | str] | None = None, output: Any = None) -> Target:
    """The message for several classes."""

    def references(names: list[int | str]) -> list[ClassReference]:
        return [ClassReference(label=name) if isinstance(name, str) else ClassReference(index=name) for name in names]

    return Target(classes=ClassSum(plus=references(plus), minus=references(minus or [])), output=output)


SENT: dict[str, tuple[Any, Target | None]] = {
    "nothing": (None, None),
    "index": (TABBY, Target(class_index=TABBY)),
    "index 0": (0, Target(class_index=0)),
    "NumPy integer": (np.int64(TABBY), Target(class_index=TABBY)),
    "unsigned NumPy integer": (np.uint8(7), Target(class_index=7)),
    "NumPy array of one": (np.array(TABBY), Target(class_index=TABBY)),
    "tensor of one": (torch.tensor(TABBY), Target(class_index=TABBY)),
    "label": ("tabby", Target(class_label="tabby")),
    "label of digits": ("281", Target(class_label="281")),
    "empty label": ("", Target(class_label="")),
    "top class": (Classes(), Target()),
    "top class's probability": (Classes(output="probability"), Target(output=PROBABILITY)),
    "one label": (Classes("tabby"), sums(["tabby"])),
    "one index": (Classes(TABBY), sums([TABBY])),
    "one NumPy integer": (Classes(np.int32(TABBY)), sums([TABBY])),  # type: ignore[arg-type]
    "one tensor": (Classes(torch.tensor(TABBY)), sums([TABBY])),
    "list": (Classes(["tabby", EGYPTIAN]), sums(["tabby", EGYPTIAN])),
    "tuple": (Classes(("tabby", EGYPTIAN)), sums(["tabby", EGYPTIAN])),
    "set of one": (Classes({"tabby"}), sums(["tabby"])),
    "array": (Classes(np.array([TABBY, EGYPTIAN])), sums([TABBY, EGYPTIAN])),
    "range": (Classes(range(281, 284)), sums([281, 282, 283])),
    "keys": (Classes({"tabby": 1, "lynx": 2}.keys()), sums(["tabby", "lynx"])),
    "the same class twice": (Classes(["tabby", "tabby"]), sums(["tabby", "tabby"])),
    "minus a label": (Classes("tabby", minus="lynx"), sums(["tabby"], ["lynx"])),
    "minus an index": (Classes("tabby", minus=EGYPTIAN), sums(["tabby"], [EGYPTIAN])),
    "minus index 0": (Classes(1, minus=0), sums([1], [0])),
    "minus a list": (Classes("tabby", minus=["lynx", EGYPTIAN]), sums(["tabby"], ["lynx", EGYPTIAN])),
    "minus an empty list": (Classes("tabby", minus=[]), sums(["tabby"])),
    "minus None": (Classes("tabby", minus=None), sums(["tabby"])),  # type: ignore[arg-type]
    "empty list": (Classes([]), sums([])),
    "only minus": (Classes(minus="tabby"), sums([], ["tabby"])),
    "score": (Classes("tabby", output="score"), sums(["tabby"], output=SCORE)),
    "probability": (Classes("tabby", output="probability"), sums(["tabby"], output=PROBABILITY)),
    "log probability": (Classes("tabby", output="log_probability"), sums(["tabby"], output=LOG_PROBABILITY)),
    "unit": (Unit("layer4", 12), Target(unit=UnitMessage(layer="layer4", channel=12))),
    "unit 0": (Unit("layer4", 0), Target(unit=UnitMessage(layer="layer4", channel=0))),
    "unit of NumPy integers": (
        Unit("layer4", np.int64(12), (np.int64(3), np.int64(4))),  # type: ignore[arg-type]
        Target(unit=UnitMessage(layer="layer4", channel=12, row=3, column=4)),
    ),
    "unit at a place": (
        Unit("layer4", 12, (3, 4)), Target(unit=UnitMessage(layer="layer4", channel=12, row=3, column=4))),
    "unit at the first place": (
        Unit("layer4", 12, (0, 0)), Target(unit=UnitMessage(layer="layer4", channel=12, row=0, column=0))),
}  # fmt: skip

# A target that cannot be sent: the field that the error names, and words of its message.
UNSENT: dict[str, tuple[Any, str, str]] = {
    "bool": (True, "target", "a whole number, a label, Classes, a Unit, a Caption, a Word or an Answer, not True"),
    "NumPy bool": (np.True_, "target", "not np.True_"),
    "float": (281.0, "target", "not 281.0"),
    "NumPy float": (np.float32(281), "target", "whole number"),
    "list": (["tabby", "lynx"], "target", "Classes"),
    "array of two": (np.array([1, 2]), "target", "Classes"),
    "tensor of two": (torch.tensor([1, 2]), "target", "Classes"),
    "bytes": (b"tabby", "target", "not b'tabby'"),
    "class of Python": (Classes, "target", "a Word or an Answer"),
    "huge": (2**31, "target", "2147483648 is out of range"),
    "hugely negative": (-(2**31) - 1, "target", "out of range"),
    "label that is no text": ("caf\udce9", "target", "no text"),
    "bool among classes": (Classes(["tabby", True]), "target.classes.plus[1]", "a label, not True"),
    "bool for classes": (Classes(True), "target.classes.plus[0]", "not True"),
    "bool to take off": (Classes("tabby", minus=[False]), "target.classes.minus[0]", "not False"),
    "float for classes": (Classes(1.5), "target.classes.plus[0]", "not 1.5"),  # type: ignore[arg-type]
    "float to take off": (Classes(1, minus=1.5), "target.classes.minus[0]", "not 1.5"),  # type: ignore[arg-type]
    "bytes for classes": (Classes(b"tabby"), "target.classes.plus[0]", "not b'tabby'"),
    "list of lists": (Classes([["tabby"]]), "target.classes.plus[0]", "['tabby']"),  # type: ignore[list-item]
    "None among classes": (Classes(["tabby", None]), "target.classes.plus[1]", "None"),  # type: ignore[list-item]
    "huge among classes": (Classes([2**40]), "target.classes.plus[0]", "out of range"),
    "no text among classes": (Classes("tabby", minus=["a", "caf\udce9"]), "target.classes.minus[1]", "no text"),
    "unknown output": (
        Classes("tabby", output="logit"), "target.output", "'logit'; known: score, probability, log_probability"),
    "layer that is a number": (Unit(4, 12), "target.unit.layer", "must be text, not 4"),  # type: ignore[arg-type]
    "layer that is no text": (Unit("caf\udce9", 12), "target.unit.layer", "no text"),
    "channel that is a label": (Unit("layer4", "12"), "target.unit.channel", "'12'"),  # type: ignore[arg-type]
    "channel that is a bool": (Unit("layer4", True), "target.unit.channel", "not True"),
    "channel that is huge": (Unit("layer4", 2**31), "target.unit.channel", "out of range"),
    "place of one": (Unit("layer4", 12, (3,)), "target.unit.row", "row and a column, not (3,)"),  # type: ignore[arg-type]
    "place of three": (Unit("layer4", 12, (1, 2, 3)), "target.unit.row", "(1, 2, 3)"),  # type: ignore[arg-type]
    "place that is a number": (Unit("layer4", 12, 3), "target.unit.row", "not 3"),  # type: ignore[arg-type]
    "row that is a float": (Unit("layer4", 12, (1.5, 2)), "target.unit.row", "not 1.5"),  # type: ignore[arg-type]
    "column that is a bool": (Unit("layer4", 12, (1, True)), "target.unit.column", "not True"),
}  # fmt: skip

# What only the server can know: model, target, field, reason and words of the error.
REFUSED: dict[str, tuple[str, Any, str, str, str]] = {
    "no class": (LITE, Classes([]), "target.classes.plus", "UNKNOWN_CLASS", "at least one class"),
    "only minus": (LITE, Classes(minus="tabby"), "target.classes.plus", "UNKNOWN_CLASS", "at least one class"),
    "unknown label": (LITE, Classes(["tabby", "taby"]), "target.classes.plus[1]", "UNKNOWN_CLASS", "nearest: tabby"),
    "unknown label to take off": (
        LITE, Classes("tabby", minus=["lynx", "taby"]), "target.classes.minus[1]", "UNKNOWN_CLASS", "nearest: tabby"),
    "index too high": (LITE, Classes([0, 1000]), "target.classes.plus[1]", "UNKNOWN_CLASS", "0 to 999"),
    "101 classes": (LITE, Classes(range(101)), "target.classes.plus", "OUT_OF_RANGE", "at most 100 classes, not 101"),
    "unknown layer": (RESNET, Unit("layer9", 0), "target.unit.layer", "UNKNOWN_LAYER", "layer4"),
    "empty layer": (RESNET, Unit("", 0), "target.unit.layer", "UNKNOWN_LAYER", "unknown layer ''"),
    "channel too high": (RESNET, Unit("layer4", 512), "target.unit.channel", "OUT_OF_RANGE", "0 to 511"),
    "channel negative": (RESNET, Unit("layer4", -1), "target.unit.channel", "OUT_OF_RANGE", "not -1"),
    "place outside": (RESNET, Unit("layer4", 0, (7, 0)), "target.unit.row", "OUT_OF_RANGE", "7 x 7"),
    "place negative": (RESNET, Unit("layer4", 0, (0, -1)), "target.unit.row", "OUT_OF_RANGE", "0, -1"),
    "place without a grid": (RESNET, Unit("fc", 0, (0, 0)), "target.unit.row", "LAYER_NOT_SPATIAL", "no grid"),
}  # fmt: skip


@pytest.mark.parametrize("case", SENT)
def test_a_target_is_sent_as_the_contract_says(case: str) -> None:
    target, message = SENT[case]
    assert to_target(target) == message


@pytest.mark.parametrize("case", UNSENT)
def test_what_is_no_target_names_its_field(case: str) -> None:
    target, field, words = UNSENT[case]
    with pytest.raises(InvalidArgument) as caught:
        to_target(target)
    assert caught.value.field == field
    assert words in caught.value.message
    assert caught.value.status == "", "no call was made"


@pytest.mark.parametrize("name", ["tabby", TABBY, np.int64(TABBY)], ids=repr)
def test_a_class_is_an_index_or_a_label(name: Any) -> None:
    expected = ClassReference(label="tabby") if name == "tabby" else ClassReference(index=TABBY)
    assert to_class(name, field="truth") == expected


@pytest.mark.parametrize("name", [None, True, 1.5, b"tabby", ["tabby"], Classes("tabby"), 2**31, "caf\udce9"], ids=repr)
def test_what_is_no_class_names_the_field_that_it_stands_in(name: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^truth ") as caught:
        to_class(name, field="truth")
    assert caught.value.field == "truth"


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_model_does_not_have_is_refused_with_its_path(ask: Ask, cat_path: Path, case: str) -> None:
    model, target, field, reason, words = REFUSED[case]
    with pytest.raises(InvalidArgument) as caught:
        ask(cat_path, model=model, target=target)
    assert (caught.value.field, caught.value.reason, caught.value.status) == (field, reason, "INVALID_ARGUMENT")
    assert words in caught.value.message


def test_a_layer_behind_the_unit_cannot_explain_it(ask: Ask, cat_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"layer1.*does not depend on.*layer4") as caught:
        ask(cat_path, model=RESNET, target=Unit("layer1", 3), layer="layer4")
    assert (caught.value.reason, caught.value.field) == ("METHOD_UNSUPPORTED", "method.grad_cam.layer")


@pytest.mark.parametrize("target", [Classes("tabby"), Classes(["TABBY"]), Classes({TABBY})], ids=repr)
def test_classes_of_one_are_that_class(ask: Ask, cat_path: Path, target: Classes) -> None:
    assert_same_answer(ask(cat_path, target=target), ask(cat_path, target="tabby"))


def test_classes_that_say_nothing_are_the_top_class(ask: Ask, cat_path: Path) -> None:
    assert_same_answer(ask(cat_path, target=Classes()), ask(cat_path))


def test_several_classes_are_added_and_others_taken_off(ask: Ask, cat_path: Path) -> None:
    # A gradient is linear in what it is the gradient of.
    how: dict[str, Any] = {"method": "gradient"}
    tabby, lynx, egyptian = (ask(cat_path, target=label, **how) for label in ("tabby", "lynx", "Egyptian cat"))
    both = ask(cat_path, target=Classes(["tabby", "lynx"], minus=EGYPTIAN), **how)
    assert both.target_name == str(both) == "tabby + lynx - Egyptian cat"
    assert class_of(both) == class_of(tabby), "of several, the first"
    assert both.explained == pytest.approx(tabby.explained + lynx.explained - egyptian.explained, rel=1e-4)
    assert_close(both.values, tabby.values + lynx.values - egyptian.values)


def test_the_output_of_a_class_is_its_score_probability_or_log_probability(ask: Ask, cat_path: Path) -> None:
    answers = {
        output: ask(cat_path, target=Classes("tabby", output=output))
        for output in ("score", "probability", "log_probability")
    }
    tabby = class_of(answers["score"])
    explained = [answer.explained for answer in answers.values()]
    assert explained == pytest.approx([tabby.score, tabby.probability, np.log(tabby.probability)], rel=1e-4)
    assert_same_answer(ask(cat_path, target="tabby"), answers["score"])


def test_a_method_reads_the_output_that_is_its_default(ask: Ask, cat_path: Path) -> None:
    how: dict[str, Any] = {"method": "occlusion", "window": 112, "stride": 112, "target": "tabby"}
    unsaid = ask(cat_path, **how)
    assert unsaid.explained == pytest.approx(class_of(unsaid).probability, rel=1e-4)
    assert_same_answer(unsaid, ask(cat_path, **{**how, "target": Classes("tabby", output="probability")}))


def test_a_unit_is_explained_by_its_activation_and_is_no_class(ask: Ask, cat_path: Path) -> None:
    answer = ask(cat_path, model=RESNET, target=Unit("layer4", 12))
    assert answer.target is None
    assert (answer.target_name, str(answer)) == ("layer4[12]", "layer4[12]")
    assert answer.explained > 0, "behind a ReLU"
    assert answer.layer == "layer4"
    assert len(answer.predictions) == 5
    assert answer.overlay().size == (451, 300)


def test_a_unit_at_a_place_is_one_of_those_that_its_mean_is_of(client: Client, cat_path: Path) -> None:
    channel = Unit("layer4", 12)
    places = [Unit("layer4", 12, (row, column)) for row in range(7) for column in range(7)]
    answers = [
        answer
        for units in (places[:32], [*places[32:], channel])
        for answer in client.compare(
            cat_path, [Variant("gradient", target=unit) for unit in units], model=RESNET, top_k=0
        )
    ]
    *each, mean = answers
    assert [answer.target_name for answer in each[:8]] == [
        *(f"layer4[12, 0, {n}]" for n in range(7)),
        "layer4[12, 1, 0]",
    ]
    assert mean.explained == pytest.approx(np.mean([answer.explained for answer in each]), rel=1e-4)
    assert_close(mean.values, np.mean([answer.values for answer in each], axis=0))

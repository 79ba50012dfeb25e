"""What a caller wants explained, to the Target of the contract."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from convscope.client.arguments import check_integer, check_text, listed
from convscope.client.errors import InvalidArgument
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget, ClassReference, ClassSum
from convscope.v1.target_pb2 import Target as TargetMessage
from convscope.v1.target_pb2 import Unit as UnitMessage

ClassName = int | str
"""A class by index or label."""
OUTPUTS = {
    None: TargetMessage.OUTPUT_UNSPECIFIED,
    "score": TargetMessage.OUTPUT_SCORE,
    "probability": TargetMessage.OUTPUT_PROBABILITY,
    "log_probability": TargetMessage.OUTPUT_LOG_PROBABILITY,
}


@dataclass(frozen=True)
class Classes:
    """One class or several, less others, and what of them is explained: Classes("tabby", minus="tiger cat")."""

    plus: ClassName | Collection[ClassName] | None = None
    """Added; None, where nothing is taken off: the class with the highest score."""
    minus: ClassName | Collection[ClassName] = ()
    """Taken off."""
    output: str | None = None
    """score, probability or log_probability; None: the method's default."""


@dataclass(frozen=True)
class Unit:
    """A channel of a layer: its mean over all places, or its value at one."""

    layer: str
    channel: int
    place: tuple[int, int] | None = None
    """Row and column in the layer's grid; None: the mean."""


@dataclass(frozen=True)
class Caption:
    """The caption of a picture: the sum of its words' log-probabilities."""

    text: str | None = None
    """None: what the model gives."""
    beams: int = 1
    """Sentences that the search for the model's own follows at a time; 1 takes the most probable word each time."""


@dataclass(frozen=True)
class Word:
    """A word of a caption."""

    word: str | int
    """The word, or its place in the caption, from 0."""
    caption: str | None = None
    """None: what the model gives."""
    beams: int = 1
    """As in Caption."""


@dataclass(frozen=True)
class Answer:
    """An answer to a question about the picture."""

    question: str
    answer: str | None = None
    """None: the model's own."""
    output: str | None = None
    """As in Classes."""


Target = int | str | Classes | Unit | Caption | Word | Answer | None
"""A class by index or label, Classes, a Unit, a Caption or a Word of it, an Answer; None: the class with the highest
score, or the model's own caption."""


def to_target(target: Target) -> TargetMessage | None:
    """Raises InvalidArgument (field `target`)."""
    match target:
        case None | Classes() | Unit():
            return _of_network(target)
        case Caption() | Word() | Answer():
            return _of_words(target)
        case str():
            return TargetMessage(class_label=check_text("target", target, "UNKNOWN_CLASS"))
        case _:
            wanted = "a whole number, a label, Classes, a Unit, a Caption, a Word or an Answer"
            return TargetMessage(class_index=check_integer("target", target, wanted))


def _of_network(target: Classes | Unit | None) -> TargetMessage | None:
    if isinstance(target, Classes):
        return _from_classes(target)
    return None if target is None else TargetMessage(unit=_from_unit(target, "target.unit"))


def _of_words(target: Caption | Word | Answer) -> TargetMessage:
    if isinstance(target, Answer):
        return _from_answer(target)
    return TargetMessage(caption=_from_caption(target))


def to_class(name: ClassName, *, field: str) -> ClassReference:
    """Raises InvalidArgument that names the field."""
    if isinstance(name, str):
        return ClassReference(label=check_text(field, name, "UNKNOWN_CLASS"))
    return ClassReference(index=check_integer(field, name, "a whole number or a label"))


def to_classes(names: ClassName | Collection[ClassName], *, field: str) -> list[ClassReference]:
    """Of one class or several. Raises InvalidArgument that names the field, and which of them it is."""
    found = [names] if names is None else _names(names)
    if not found:
        raise InvalidArgument(f"{field} must be one class or several", field=field, reason="OUT_OF_RANGE")
    return _to_references(found, field)


def to_units(units: Unit | Collection[Unit], *, field: str) -> list[UnitMessage]:
    """Of one unit or several. Raises InvalidArgument that names the field, and which of them it is."""
    found = [units] if isinstance(units, Unit) else listed(field, units, "a Unit or several")
    if not found:
        raise InvalidArgument(f"{field} must be a Unit or several", field=field, reason="OUT_OF_RANGE")
    for place, unit in enumerate(found):
        if not isinstance(unit, Unit):
            message = f"{field}[{place}] must be a Unit, not {unit!r}"
            raise InvalidArgument(message, field=f"{field}[{place}]", reason="OUT_OF_RANGE")
    return [_from_unit(unit, f"{field}[{place}]") for place, unit in enumerate(found)]


def _from_classes(classes: Classes) -> TargetMessage:
    output = _output(classes.output)
    plus, minus = _names(classes.plus), _names(classes.minus)
    if classes.plus is None and not minus:
        return TargetMessage(output=output)
    added, taken_off = _to_references(plus, "target.classes.plus"), _to_references(minus, "target.classes.minus")
    return TargetMessage(classes=ClassSum(plus=added, minus=taken_off), output=output)


def _from_caption(target: Caption | Word) -> CaptionTarget:
    given = target.text if isinstance(target, Caption) else target.caption
    path = "target.caption"
    message = CaptionTarget(beams=check_integer(f"{path}.beams", target.beams))
    if given is not None:
        message.text = to_sentence(f"{path}.text", given)
    if isinstance(target, Word) and isinstance(target.word, str):
        message.word = check_text(f"{path}.word", target.word, "UNKNOWN_WORD")
    elif isinstance(target, Word):
        message.position = check_integer(f"{path}.position", target.word, "a word, or its place")
    return message


def to_sentence(field: str, text: str) -> str:
    """A caption or a question; an empty one would be none at all. Raises InvalidArgument."""
    if not check_text(field, text, "SENTENCE_EMPTY").strip():
        raise InvalidArgument("a sentence has at least one word", field=field, reason="SENTENCE_EMPTY")
    return text


def _from_answer(target: Answer) -> TargetMessage:
    message = AnswerTarget(question=to_sentence("target.answer.question", target.question))
    if target.answer is not None:
        message.answer = check_text("target.answer.answer", target.answer, "UNKNOWN_CLASS")
    return TargetMessage(answer=message, output=_output(target.output))


def _output(name: str | None) -> "TargetMessage.Output":
    if name not in OUTPUTS:
        known = ", ".join(output for output in OUTPUTS if output)
        message = f"unknown output {name!r}; known: {known}"
        raise InvalidArgument(message, field="target.output", reason="OUT_OF_RANGE")
    return OUTPUTS[name]


def _from_unit(unit: Unit, field: str) -> UnitMessage:
    layer = check_text(f"{field}.layer", unit.layer, "UNKNOWN_LAYER")
    message = UnitMessage(layer=layer, channel=check_integer(f"{field}.channel", unit.channel))
    if unit.place is not None:
        message.row, message.column = to_place(unit.place, f"{field}.")
    return message


def to_place(place: tuple[int, int], path: str = "") -> tuple[int, int]:
    """Row and column of a neuron. path: of the message that has them, with its dot. Raises InvalidArgument."""
    try:
        row, column = place
    except (TypeError, ValueError):
        text = f"the place of a unit must be a row and a column, not {place!r}"
        raise InvalidArgument(text, field=f"{path}row", reason="OUT_OF_RANGE") from None
    return check_integer(f"{path}row", row), check_integer(f"{path}column", column)


def _to_references(names: list[ClassName], field: str) -> list[ClassReference]:
    return [to_class(name, field=f"{field}[{number}]") for number, name in enumerate(names)]


def _names(names: Any) -> list[ClassName]:
    """Of one class or several, or of what is neither: to_class() says so."""
    if names is None:
        return []
    if isinstance(names, str | bytes):
        return [names]  # type: ignore[list-item]
    try:
        return list(names)
    except TypeError:
        return [names]

"""A Target of the contract, to what a caller would have said; to_target() goes the other way."""

from convscope.client.targets import OUTPUTS, Answer, Caption, Classes, ClassName, Target, Unit, Word
from convscope.v1.target_pb2 import CaptionTarget, ClassReference
from convscope.v1.target_pb2 import Target as TargetMessage
from convscope.v1.target_pb2 import Unit as UnitMessage

_OUTPUTS = {output: name for name, output in OUTPUTS.items()}


def from_target(message: TargetMessage) -> Target:
    """None for none, and for a kind that only newer servers know."""
    output = _OUTPUTS.get(message.output)
    match message.WhichOneof("kind"):
        case "unit":
            return to_unit(message.unit)
        case "caption":
            return _to_caption(message.caption)
        case "answer":
            return Answer(message.answer.question, message.answer.answer or None, output)
        case _:
            return _to_classes(message, output)


def to_unit(message: UnitMessage) -> Unit:
    place = (message.row, message.column) if message.HasField("row") else None
    return Unit(message.layer, message.channel, place)


def to_class_name(target: ClassReference) -> ClassName:
    return target.label if target.WhichOneof("kind") == "label" else target.index


def _to_classes(message: TargetMessage, output: str | None) -> ClassName | Classes | None:
    """As short as it can be said."""
    plus: ClassName | tuple[ClassName, ...] | None = None
    match message.WhichOneof("kind"):
        case "class_index":
            plus = message.class_index
        case "class_label":
            plus = message.class_label
        case "classes":
            added = tuple(to_class_name(one) for one in message.classes.plus)
            plus = added[0] if len(added) == 1 else added
    minus = tuple(to_class_name(one) for one in message.classes.minus)
    if minus or output is not None or isinstance(plus, tuple):
        return Classes(plus, minus, output)
    return plus


def _to_caption(message: CaptionTarget) -> Caption | Word:
    # Nothing said is one sentence at a time.
    text, beams = message.text or None, message.beams or 1
    match message.WhichOneof("part"):
        case "position":
            return Word(message.position, text, beams)
        case "word":
            return Word(message.word, text, beams)
        case _:
            return Caption(text, beams)

"""What a request wants explained, against the model that it is for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from convscope.engine.attribution.target import ClassTarget, Output, Target, UnitTarget
from convscope.engine.errors import InvalidInput
from convscope.engine.models.model import Model
from convscope.services.common.request_fields import under
from convscope.services.common.sentences import CaptionPart, Sentence, check_answer, check_caption
from convscope.v1 import target_pb2

MAX_CLASSES = 100
OUTPUTS: dict[int, Output | None] = {
    target_pb2.Target.OUTPUT_UNSPECIFIED: None,
    target_pb2.Target.OUTPUT_SCORE: "score",
    target_pb2.Target.OUTPUT_PROBABILITY: "probability",
    target_pb2.Target.OUTPUT_LOG_PROBABILITY: "log_probability",
}


@dataclass(frozen=True)
class Checked:
    """A target, with what the model is to read for it."""

    target: Target | CaptionPart
    sentence: Sentence | None = None
    beams: int = 0


def check_target(message: target_pb2.Target, model: Model, path: str) -> Checked:
    """What a target names; for none the top class, or a captioner's own caption."""
    if message.output not in OUTPUTS:
        raise InvalidInput("unknown output", field=f"{path}.output", reason="OUT_OF_RANGE")
    output, kind = OUTPUTS[message.output], message.WhichOneof("kind")
    if kind == "unit":
        return Checked(_check_unit(message.unit, model, f"{path}.unit"))
    if kind == "caption" or (kind is None and model.task == "caption"):
        if output not in (None, "log_probability"):
            message_ = "words are explained by the logarithm of their probability"
            raise InvalidInput(message_, field=f"{path}.output", reason="OUT_OF_RANGE")
        return Checked(*check_caption(message.caption, model, f"{path}.caption"))
    if kind == "answer" or (kind is None and model.task == "vqa"):
        target, question = check_answer(message.answer, model, f"{path}.answer")
        return Checked(replace(target, output=output), question)
    model.check_task("classify", field=path)
    return Checked(_check_classes_target(message, model, path, output))


def target_name(target: Target, labels: Sequence[str]) -> str:
    """A target in words: "tabby", "tabby + tiger cat - lynx", "layer4[12]", "layer4[12, 3, 4]"."""
    if isinstance(target, UnitTarget):
        return f"{target.layer}[{', '.join(map(str, (target.channel, *(target.place or ()))))}]"
    plus = " + ".join(labels[index] for index in target.classes)
    return " - ".join([plus, *(labels[index] for index in target.minus)])


def _check_classes_target(message: target_pb2.Target, model: Model, path: str, output: Output | None) -> ClassTarget:
    match message.WhichOneof("kind"):
        case "class_index":
            return ClassTarget((model.labels.check_index(message.class_index, field=path),), output=output)
        case "class_label":
            return ClassTarget((model.labels.index_of(message.class_label, field=path),), output=output)
        case "classes":
            classes = message.classes
            if not classes.plus:
                message_ = "at least one class is required"
                raise InvalidInput(message_, field=f"{path}.classes.plus", reason="UNKNOWN_CLASS")
            plus = _check_classes(classes.plus, model, f"{path}.classes.plus")
            return ClassTarget(plus, _check_classes(classes.minus, model, f"{path}.classes.minus"), output)
        case _:
            return ClassTarget(output=output)


def _check_classes(classes: Sequence[target_pb2.ClassReference], model: Model, path: str) -> tuple[int, ...]:
    if len(classes) > MAX_CLASSES:
        message = f"at most {MAX_CLASSES} classes, not {len(classes)}"
        raise InvalidInput(message, field=path, reason="OUT_OF_RANGE")
    return tuple(check_class(reference, model, f"{path}[{number}]") for number, reference in enumerate(classes))


def check_class(reference: target_pb2.ClassReference, model: Model, path: str) -> int:
    match reference.WhichOneof("kind"):
        case "index":
            return model.labels.check_index(reference.index, field=path)
        case "label":
            return model.labels.index_of(reference.label, field=path)
        case _:
            raise InvalidInput("a class is required: its index or label", field=path, reason="UNKNOWN_CLASS")


def _check_unit(unit: target_pb2.Unit, model: Model, path: str) -> UnitTarget:
    if unit.HasField("row") != unit.HasField("column"):
        raise InvalidInput("row and column go together", field=f"{path}.row", reason="INVALID_PARAMETER")
    place = (unit.row, unit.column) if unit.HasField("row") else None
    target = UnitTarget(unit.layer, unit.channel, place)
    with under(path):
        target.check(model.layers)
    return target

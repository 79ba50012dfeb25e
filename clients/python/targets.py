"""What a caller wants explained, to the Target of the contract."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from convscope.client.arguments import check_integer, check_text, listed
from convscope.client.errors import InvalidArgument
from convscope.v1.target_pb2 import ClassReference, ClassSum
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


Target = int | str | Classes | Unit | None
"""A class by index or label, Classes, or a Unit; None: the class with the highest score."""


def to_target(target: Target) -> TargetMessage | None:
    """Raises InvalidArgument (field `target`)."""
    match target:
        case None:
            return None
        case Classes():
            return _from_classes(target)
        case Unit():
            return TargetMessage(unit=_from_unit(target, "target.unit"))
        case str():
            return TargetMessage(class_label=check_text("target", target, "UNKNOWN_CLASS"))
        case _:
            wanted = "a whole number, a label, Classes or a Unit"
            return TargetMessage(class_index=check_integer("target", target, wanted))


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
    if classes.output not in OUTPUTS:
        known = ", ".join(name for name in OUTPUTS if name)
        message = f"unknown output {classes.output!r}; known: {known}"
        raise InvalidArgument(message, field="target.output", reason="OUT_OF_RANGE")
    output = OUTPUTS[classes.output]
    plus, minus = _names(classes.plus), _names(classes.minus)
    if classes.plus is None and not minus:
        return TargetMessage(output=output)
    added, taken_off = _to_references(plus, "target.classes.plus"), _to_references(minus, "target.classes.minus")
    return TargetMessage(classes=ClassSum(plus=added, minus=taken_off), output=output)


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

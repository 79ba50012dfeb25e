"""Options that say what is asked: the target, and a method's parameters."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from convscope.client.methods import PARAMETER_FIELDS
from convscope.client.targets import OUTPUTS, Answer, Caption, Classes, ClassName, Target, Unit, Word

Targets = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", help="Class label or index; several are added. Default: the top class."),
]
Minus = Annotated[list[str] | None, typer.Option("--minus", help="Class label or index to take off.")]
Output = Annotated[
    str | None,
    typer.Option("--output-of-class", help=f"Explain its {', '.join(name for name in OUTPUTS if name)}."),
]
UnitName = Annotated[
    str | None, typer.Option("--unit", help="Explain a channel instead: LAYER:CHANNEL, or LAYER:CHANNEL:ROW,COLUMN.")
]
Question = Annotated[
    str | None, typer.Option("--question", help="Explain an answer to it, of a model that answers questions.")
]
AnswerName = Annotated[str | None, typer.Option("--answer", help="To the --question; default: the model's own.")]
CaptionText = Annotated[str | None, typer.Option("--caption", help="Explain it; default: the model's own caption.")]
WordName = Annotated[str | None, typer.Option("--word", help="Explain a word of the caption, itself or its place.")]
ParameterTexts = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", help="Of the method: name=value; as often as needed.")
]
Precision = Annotated[str | None, typer.Option("--precision", help="float32 or bfloat16; as the server is set.")]
_UNIT = re.compile(r"(?P<layer>[^:]+):(?P<channel>[0-9]+)(:(?P<row>[0-9]+),(?P<column>[0-9]+))?")


def to_class_name(text: str) -> ClassName:
    """Digits are a class index, anything else a label."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text


def to_target(
    targets: Sequence[str] | None,
    minus: Sequence[str] | None = None,
    output: str | None = None,
    unit: str | None = None,
) -> Target:
    """What the options explain. Raises BadParameter."""
    if unit is not None:
        found = _UNIT.fullmatch(unit)
        if found is None:
            raise typer.BadParameter(f"{unit!r} is no LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN", param_hint="--unit")
        if targets or minus or output:
            raise typer.BadParameter("a unit goes without classes", param_hint="--unit")
        place = (int(found["row"]), int(found["column"])) if found["row"] else None
        return Unit(found["layer"], int(found["channel"]), place)
    plus = [to_class_name(text) for text in targets or []]
    if not minus and output is None and len(plus) <= 1:
        return plus[0] if plus else None
    return Classes(plus or None, [to_class_name(text) for text in minus or []], output)


def to_sentence_target(
    question: str | None, answer: str | None, caption: str | None, word: str | None, others: Sequence[Any]
) -> Target:
    """What the options about words explain; None where there are none. others: options that go without them. Raises
    BadParameter."""
    if answer is not None and question is None:
        raise typer.BadParameter("an answer goes with a --question", param_hint="--answer")
    given = [name for name, text in (("question", question), ("caption", caption), ("word", word)) if text is not None]
    if given and (any(others) or (question is not None and len(given) > 1)):
        raise typer.BadParameter("one thing is explained at a time", param_hint=f"--{given[0]}")
    if question is not None:
        return Answer(question, answer)
    if word is not None:
        return Word(int(word) if word.isdecimal() else word, caption)
    return Caption(caption) if caption is not None else None


def to_parameters(method: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """name=value, each value in the type that the contract gives the method's parameter. Raises BadParameter."""
    return assigned(PARAMETER_FIELDS.get(method, {}), texts)


def assigned(fields: Mapping[str, Any], texts: Sequence[str] | None) -> dict[str, Any]:
    """name=value, each value in the type that the contract gives the field; of messages, JSON. Raises BadParameter."""
    return dict(_parse(fields, text) for text in texts or [])


def _parse(fields: Mapping[str, Any], text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} is no name=value", param_hint="--parameter")
    field = fields.get(name)
    if field is None:
        return name, value  # the SDK says which there are
    try:
        if field.message_type is not None:
            return name, json.loads(value)
        if field.has_presence:
            return name, _value(field, value)
        return name, [_value(field, part) for part in value.split(",")]
    except (KeyError, ValueError):
        message = f"{name} cannot be {value!r}"
        raise typer.BadParameter(message, param_hint="--parameter") from None


def _value(field: Any, text: str) -> Any:
    if field.cpp_type == field.CPPTYPE_BOOL:
        return {"true": True, "false": False}[text.lower()]
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return float(text)
    return text if field.cpp_type == field.CPPTYPE_STRING else int(text)

"""What a recipe consists of: a caller's keyword arguments to the SynthesisParameters of the contract, and back."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from convscope.client.arguments import check_finite, check_integer, check_text, check_truth, listed, under
from convscope.client.errors import InvalidArgument
from convscope.v1.synthesis_service_pb2 import SynthesisParameters

SYNTHESIS_FIELDS: Mapping[str, Any] = SynthesisParameters.DESCRIPTOR.fields_by_name
"""The fields by their names."""


def to_parameters(values: Mapping[str, Any]) -> SynthesisParameters | None:
    """What is None is left to the recipe; None where nothing is said. Raises InvalidArgument (`parameters.NAME`)."""
    message = SynthesisParameters()
    try:
        _fill(message, values, "a synthesis has no parameter")
    except InvalidArgument as error:
        error.field, error.reason = f"parameters.{error.field}", "INVALID_PARAMETER"
        raise
    return message if message.ListFields() else None


def from_parameters(message: Message) -> dict[str, Any]:
    """Those that are set, in plain values, stages as mappings: what a call takes again as keyword arguments."""
    return {field.name: _plain(value) for field, value in message.ListFields()}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    return [from_parameters(one) if isinstance(one, Message) else one for one in value]


def _fill(message: Any, values: Mapping[str, Any], missing: str) -> None:
    known = message.DESCRIPTOR.fields_by_name
    for name, value in values.items():
        if name not in known:
            text = f"{missing} {name!r}; it has {', '.join(known)}"
            raise InvalidArgument(text, field=str(name), reason="INVALID_PARAMETER")
        if value is None:
            continue
        field = known[name]
        if field.message_type is not None:
            _add_stages(getattr(message, name), name, value)
        elif isinstance(field.default_value, list):
            numbers = listed(name, value, "several numbers")
            getattr(message, name).extend(check_finite(f"{name}[{place}]", one) for place, one in enumerate(numbers))
        else:
            setattr(message, name, _checked(field, value))


def _add_stages(stages: Any, name: str, values: Any) -> None:
    for place, one in enumerate(listed(name, values, "several stages")):
        if not isinstance(one, Mapping):
            text = f"{name}[{place}] must be a mapping, such as {{'scale': 1.2}}, not {one!r}"
            raise InvalidArgument(text, field=f"{name}[{place}]", reason="INVALID_PARAMETER")
        with under(f"{name}[{place}]"):
            _fill(stages.add(), one, "a stage has no")


def _checked(field: Any, value: Any) -> bool | int | float | str:
    match field.cpp_type:
        case field.CPPTYPE_BOOL:
            return check_truth(field.name, value)
        case field.CPPTYPE_DOUBLE:
            return check_finite(field.name, value)
        case field.CPPTYPE_STRING:
            return check_text(field.name, value, "INVALID_PARAMETER")
        case _:
            return check_integer(field.name, value, bits=64 if field.cpp_type == field.CPPTYPE_INT64 else 32)

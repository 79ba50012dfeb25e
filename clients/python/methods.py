"""A method's name and parameters, to the Method of the contract."""

from collections.abc import Mapping
from typing import Any

from convscope.client.errors import InvalidArgument
from convscope.client.targets import Target
from convscope.v1.method_pb2 import Method

PARAMETER_FIELDS: Mapping[str, Mapping[str, Any]] = {
    field.name: field.message_type.fields_by_name
    for field in Method.DESCRIPTOR.oneofs_by_name["kind"].fields
    if field.message_type is not None
}
"""The fields of each method's parameters."""
METHODS = tuple(PARAMETER_FIELDS)


class Variant:
    """One of several explanations to compare: Variant("grad_cam", target="tabby", layer="blocks.10")."""

    def __init__(self, method: str, *, target: Target = None, **parameters: Any) -> None:
        """target: what is explained; None: what the call says. parameters: the method's own."""
        self.method = method
        self.target = target
        self.parameters = parameters

    def __repr__(self) -> str:
        target = [] if self.target is None else [f"target={self.target!r}"]
        chosen = [f"{name}={value!r}" for name, value in self.parameters.items()]
        return f"Variant({', '.join([repr(self.method), *target, *chosen])})"


def to_method(name: str, parameters: Mapping[str, Any]) -> Method:
    """Parameters that are None are left to the server's defaults. Raises InvalidArgument."""
    if name not in METHODS:
        message = f"unknown method {name!r}; known: {', '.join(METHODS)}"
        raise InvalidArgument(message, field="method", reason="UNKNOWN_METHOD")
    method = Method()
    chosen = getattr(method, name)
    chosen.SetInParent()
    known = PARAMETER_FIELDS[name]
    for parameter, value in parameters.items():
        if value is None:
            continue
        if parameter not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            message = f"{name} has no parameter {parameter!r}; {has}"
            raise InvalidArgument(message, field=parameter, reason="INVALID_PARAMETER")
        try:
            if known[parameter].has_presence:
                setattr(chosen, parameter, value)
            else:
                getattr(chosen, parameter).extend(value)
        except (TypeError, ValueError) as error:
            message = f"{parameter} cannot be {value!r}: {error}"
            raise InvalidArgument(message, field=parameter, reason="INVALID_PARAMETER") from error
    return method

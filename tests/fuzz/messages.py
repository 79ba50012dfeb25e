"""Any message of a type, from its descriptor."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.fuzz.values import floats, integers, texts

Hints = Mapping[str, st.SearchStrategy[Any]]
"""What mostly stands in a field or a message, so that most requests get past the first checks. By Request.field, by the
field's name alone, or by the full name of a message."""
DEEPEST = 6
WANTED = ("method", "variants", "truth", "targets", "units")
"""Fields without which a request asks for nothing."""
TIMES = st.sampled_from([1] * 29 + [40])
UNKNOWN_NUMBERS = (77, -1, 2**31 - 1)
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


class Messages:
    """Strategies, each made once."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self._of: dict[tuple[str, int], st.SearchStrategy[Message]] = {}
        self._values: dict[tuple[str, int], st.SearchStrategy[Any]] = {}
        self._plans: dict[str, Plan] = {}

    def of(self, kind: Descriptor, depth: int = 0) -> st.SearchStrategy[Message]:
        """Messages of a type: every field is set, or not; of a oneof one, or none."""
        key = (kind.full_name, depth)
        if key not in self._of:
            self._of[key] = _drawn(self, kind, depth)
        return self._of[key]

    def plan(self, kind: Descriptor) -> "Plan":
        if kind.full_name not in self._plans:
            self._plans[kind.full_name] = Plan(kind, self.likely)
        return self._plans[kind.full_name]

    def value(self, field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
        key = (field.full_name, depth)
        if key not in self._values:
            hint, of_type = self._hint(field), field.message_type
            if hint is None:
                hint = _scalar(field) if of_type is None else self.of(of_type, depth + 1)
            self._values[key] = hint
        return self._values[key]

    def _hint(self, field: FieldDescriptor) -> st.SearchStrategy[Any] | None:
        of_type = field.message_type.full_name if field.message_type is not None else ""
        inside = field.containing_type.name if field.containing_type is not None else ""
        names = (f"{inside}.{field.name}", field.name, of_type)
        return next((self._hints[name] for name in names if name in self._hints), None)

    def likely(self, field: FieldDescriptor) -> bool:
        return field.name in WANTED or self._hint(field) is not None


class Plan:
    """The fields of a type, by how likely they are to be set."""

    def __init__(self, kind: Descriptor, likely: Callable[[FieldDescriptor], bool]) -> None:
        oneofs = [oneof for oneof in kind.oneofs if not _is_optional(oneof)]
        members = {field.name for oneof in oneofs for field in oneof.fields}
        loose = [field for field in kind.fields if field.name not in members and not _is_map(field)]
        self.likely = [field for field in loose if likely(field)]
        """Those of which it is known what makes sense."""
        self.others = [field for field in loose if field not in self.likely]
        self.choices = [st.sampled_from([*oneof.fields] * 19 + [None] * len(oneof.fields)) for oneof in oneofs]


@st.composite
def _drawn(draw: Callable[..., Any], messages: Messages, kind: Descriptor, depth: int) -> Message:
    message, plan = GetMessageClass(kind)(), messages.plan(kind)
    for field in _chosen(draw, plan):
        if field.message_type is not None and depth == DEEPEST:
            continue
        if field.is_repeated:
            for value in draw(st.lists(messages.value(field, depth), min_size=1, max_size=3)) * draw(TIMES):
                _add(message, field, value)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(messages.value(field, depth)))
        else:
            setattr(message, field.name, draw(messages.value(field, depth)))
    return message


def _chosen(draw: Callable[..., Any], plan: Plan) -> list[FieldDescriptor]:
    left_out = draw(st.integers(0, 8 * len(plan.likely)))
    chosen = [field for place, field in enumerate(plan.likely) if place != left_out]
    if plan.others:
        chosen += draw(st.lists(st.sampled_from(plan.others), unique_by=lambda field: field.name, max_size=3))
    return chosen + [field for choice in plan.choices if (field := draw(choice)) is not None]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _is_optional(oneof: Any) -> bool:
    """proto3's `optional` is written as a oneof of one field."""
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        known = [value.number for value in field.enum_type.values]
        return st.sampled_from(known * 9 + list(UNKNOWN_NUMBERS))
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return floats()
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=64)
        case FieldDescriptor.CPPTYPE_STRING:
            return texts()
        case _:
            return integers(*_INTEGERS[field.cpp_type])


def _add(message: Message, field: FieldDescriptor, value: Any) -> None:
    found = getattr(message, field.name)
    if field.message_type is not None:
        found.add().CopyFrom(value)
    else:
        found.append(value)

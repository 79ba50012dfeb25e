"""What a request for long work asks for, as it is queued; and what requests of every kind have in common."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from convscope.engine.errors import InvalidInput
from convscope.services.common.resource_names import model_name
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.synthesis_service_pb2 import JobOptions

DEFAULT_PRIORITY, HIGHEST_PRIORITY = 5, 9
DEFAULT_PREVIEW_SECONDS = 2.0
LONGEST_REQUEST_ID = 128
LONGEST_NAME = 1000
# As the catalogue writes names; only a worker knows which models there are.
_MODEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@dataclass(frozen=True)
class Order:
    """Long work that may be queued."""

    kind: str
    model: str
    spec: dict[str, Any]
    """Plain JSON. Of `inputs` it holds the digests, so that two orders are the same where their specs are."""
    priority: int
    request_id: str
    inputs: dict[str, bytes] = field(default_factory=dict)
    """Files that the worker needs, by their names."""

    @property
    def steps(self) -> int:
        """Of an optimisation, whatever the number of pictures that it makes at once; 0 for other work."""
        parameters = self.spec.get("parameters", {})
        return int(parameters.get("steps", 0) * parameters.get("octaves", 1))


def make_order(
    kind: str,
    model: str | None,
    options: JobOptions,
    spec: Mapping[str, Any],
    inputs: Mapping[str, bytes] | None = None,
) -> Order:
    """model: resource name; None for work that needs none. Raises InvalidInput for it and for the options, each naming
    the field."""
    priority = options.priority if options.HasField("priority") else DEFAULT_PRIORITY
    if not 0 <= priority <= HIGHEST_PRIORITY:
        message = f"priority must be 0 to {HIGHEST_PRIORITY}, not {priority}"
        raise InvalidInput(message, field="options.priority", reason="OUT_OF_RANGE")
    seconds = options.preview_seconds if options.HasField("preview_seconds") else DEFAULT_PREVIEW_SECONDS
    if not (math.isfinite(seconds) and seconds >= 0):
        message = f"preview_seconds must be from 0, not {seconds}"
        raise InvalidInput(message, field="options.preview_seconds", reason="OUT_OF_RANGE")
    if len(options.request_id) > LONGEST_REQUEST_ID:
        message = f"request_id has {len(options.request_id)} characters; at most {LONGEST_REQUEST_ID} are accepted"
        raise InvalidInput(message, field="options.request_id", reason="OUT_OF_RANGE")
    files = dict(inputs or {})
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    whole = {**spec, "inputs": digests, "preview_seconds": seconds}
    return Order(kind, "" if model is None else _model(model), whole, priority, options.request_id, files)


def given(message: Message, names: Iterable[str]) -> dict[str, Any]:
    """The parameters that a message sets; the others keep their defaults."""
    optional = {one.name for one in message.DESCRIPTOR.fields if one.has_presence and one.message_type is None}
    return {name: getattr(message, name) for name in names if name in optional and message.HasField(name)}


def check_count(count: int, what: str, limits: JobsSettings, *, field: str) -> None:
    """Raises InvalidInput where a job would have no picture, or more than a job may have."""
    if not 1 <= count <= limits.max_targets:
        message = f"{field} must be 1 to {limits.max_targets} {what}, not {count}"
        raise InvalidInput(message, field=field, reason="OUT_OF_RANGE")


def check_steps(steps: int, limits: JobsSettings, *, field: str) -> None:
    """Raises InvalidInput for more than a job may have."""
    if steps > limits.max_steps:
        message = f"{steps} steps are more than the {limits.max_steps} that this cluster accepts for one job"
        raise InvalidInput(message, field=field, reason="OUT_OF_RANGE")


def check_length(name: str, kind: str, *, field: str) -> None:
    """Raises InvalidInput for a name so long that no model has it: it is not kept in the store either."""
    if len(name) > LONGEST_NAME:
        message = f"no {kind} has a name of {len(name)} characters; at most {LONGEST_NAME} are accepted"
        raise InvalidInput(message, field=field, reason=f"UNKNOWN_{kind.upper()}")


def _model(resource: str) -> str:
    name = model_name(resource, field="model")
    if _MODEL.fullmatch(name) is None:
        raise InvalidInput(f"no model can be named {name[:100]!r}", field="model", reason="NAME_INVALID")
    return name

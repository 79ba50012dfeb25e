"""What a request for long work asks for, checked before anything is queued."""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from google.protobuf.message import Message

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.models.labels import Labels
from convscope.engine.synthesis.parameters import ClassVisualizationParameters, DeepDreamParameters
from convscope.services.common.jobs.kinds import DEEP_DREAM, VISUALIZE_CLASS
from convscope.services.common.originals import read_original
from convscope.services.common.resource_names import model_name
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.image_pb2 import Image
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import DeepDreamRequest, JobOptions, VisualizeClassRequest
from convscope.v1.target_pb2 import ClassReference

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
    priority: int
    request_id: str
    inputs: dict[str, bytes] = field(default_factory=dict)
    """Files that the worker needs, by their names."""


def check_visualize_class(request: VisualizeClassRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
    """Raises InvalidInput and its kin, each naming the field. card: None where nobody has loaded the model yet; the
    worker then checks the classes."""
    parameters = ClassVisualizationParameters.parse(_given(request, ClassVisualizationParameters.model_fields))
    _check_steps(parameters.steps, limits)
    if not 1 <= len(request.targets) <= limits.max_targets:
        message = f"targets must be 1 to {limits.max_targets} classes, not {len(request.targets)}"
        raise InvalidInput(message, field="targets", reason="OUT_OF_RANGE")
    targets = [_class(one, card, f"targets[{place}]") for place, one in enumerate(request.targets)]
    spec = {"targets": targets, "parameters": parameters.model_dump(mode="json")}
    return _order(VISUALIZE_CLASS, request.model, spec, request.options)


def check_deep_dream(request: DeepDreamRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
    """As check_visualize_class()."""
    given = _given(request, DeepDreamParameters.model_fields)
    if request.layer:
        given["layer"] = request.layer
    if request.channels:
        given["channels"] = tuple(request.channels)
    parameters = DeepDreamParameters.parse(given)
    _check_steps(parameters.steps * parameters.octaves, limits)
    _check_length(request.layer, "layer", field="layer")
    if card is not None and request.layer:
        names = [layer.name for layer in card.layers]
        if request.layer not in names:
            raise UnknownName("layer", request.layer, names, field="layer")
    inputs = {"image.png": _png(request.image, "image", limits)}
    if request.HasField("guide"):
        inputs["guide.png"] = _png(request.guide, "guide", limits)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in inputs.items()}
    spec = {"inputs": digests, "parameters": parameters.model_dump(mode="json")}
    return _order(DEEP_DREAM, request.model, spec, request.options, inputs)


def _order(
    kind: str, model: str, spec: dict[str, Any], options: JobOptions, inputs: dict[str, bytes] | None = None
) -> Order:
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
    spec = {**spec, "preview_seconds": seconds}
    return Order(kind, _model(model), spec, priority, options.request_id, inputs or {})


def _model(resource: str) -> str:
    name = model_name(resource, field="model")
    if _MODEL.fullmatch(name) is None:
        raise InvalidInput(f"no model can be named {name[:100]!r}", field="model", reason="NAME_INVALID")
    return name


def _given(request: Message, names: Iterable[str]) -> dict[str, Any]:
    """The parameters that the request sets; the others keep their defaults."""
    optional = {one.name for one in request.DESCRIPTOR.fields if one.has_presence and one.message_type is None}
    return {name: getattr(request, name) for name in names if name in optional and request.HasField(name)}


def _check_steps(steps: int, limits: JobsSettings) -> None:
    if steps > limits.max_steps:
        message = f"{steps} steps are more than the {limits.max_steps} that this cluster accepts for one job"
        raise InvalidInput(message, field="steps", reason="OUT_OF_RANGE")


def _class(reference: ClassReference, card: ModelCard | None, name: str) -> int | str:
    """What the caller said, also where the card tells a label's index: the same call is the same order before there is
    a card and after. Without a card the worker checks."""
    match reference.WhichOneof("kind"):
        case "index":
            if card is not None:
                return _labels(card).check_index(reference.index, field=name)
            if reference.index < 0:
                message = f"class index {reference.index} is out of range"
                raise InvalidInput(message, field=name, reason="UNKNOWN_CLASS")
            return reference.index
        case "label":
            _check_length(reference.label, "class", field=name)
            if card is not None:
                _labels(card).index_of(reference.label, field=name)
            return reference.label
        case _:
            raise InvalidInput("a class is required: its index or its label", field=name, reason="TARGET_MISSING")


def _labels(card: ModelCard) -> Labels:
    return Labels(card.labels or [str(index) for index in range(card.class_count)])


def _check_length(name: str, kind: str, *, field: str) -> None:
    """What no model has is not kept in the store either."""
    if len(name) > LONGEST_NAME:
        message = f"no {kind} has a name of {len(name)} characters; at most {LONGEST_NAME} are accepted"
        raise InvalidInput(message, field=field, reason=f"UNKNOWN_{kind.upper()}")


def _png(image: Image, name: str, limits: JobsSettings) -> bytes:
    """The picture as the worker will read it."""
    file = BytesIO()
    read_original(image, max_pixels=limits.max_image_pixels, field=name).save(file, "PNG", compress_level=1)
    return file.getvalue()

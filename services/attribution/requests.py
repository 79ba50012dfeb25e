"""What a request asks for, checked before anything is paid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from convscope.engine.attribution.methods import METHODS, find_method
from convscope.engine.attribution.target import ClassTarget, Target
from convscope.engine.errors import ConvscopeError, InvalidInput, UnknownName
from convscope.engine.imaging.colormap import COLORMAPS
from convscope.engine.models.model import Model
from convscope.engine.models.variants import Precision
from convscope.services.attribution.work import Ask, Task
from convscope.services.common.request_fields import set_fields, under
from convscope.services.common.sentences import CaptionPart, Sentence, check_beams, given_caption
from convscope.services.common.targets import Checked, check_class, check_target
from convscope.services.common.tensors import FLOATS
from convscope.v1 import attribution_service_pb2, method_pb2
from convscope.v1.attribution_service_pb2 import (
    AnalyzeFailureRequest,
    AttributeCaptionRequest,
    AttributeRequest,
    CompareRequest,
    Overlay,
    Variant,
)
from convscope.v1.tensor_pb2 import DataType

Drawn = AttributeRequest | CompareRequest | AnalyzeFailureRequest | AttributeCaptionRequest
DEFAULT_TOP_K = 5
MAX_TOP_K = 1000
MAX_VARIANTS = 32
TOP_CLASS = ClassTarget()
PRECISIONS: dict[Precision, attribution_service_pb2.Precision] = {
    "float32": attribution_service_pb2.PRECISION_FLOAT32,
    "bfloat16": attribution_service_pb2.PRECISION_BFLOAT16,
}


@dataclass(frozen=True)
class Form:
    """How an answer is written."""

    data_type: DataType
    top_k: int
    heatmap: bool
    overlay: Overlay | None
    contact_sheet: Overlay | None = None


@dataclass(frozen=True)
class Part:
    """One explanation that is asked for, and where in the request it stands."""

    ask: Ask
    target: Target | CaptionPart
    method_path: str
    target_path: str
    role: str = ""
    """What it is on a contact sheet; empty for nothing in particular."""


@dataclass(frozen=True)
class Order:
    """A request, checked against its model."""

    parts: tuple[Part, ...]
    precision: Precision
    form: Form
    sentence: Sentence | None = None
    """What the model is given to read; None for one that reads nothing, and while its caption is not known."""
    beams: int = 0
    """Of the search for the caption that the targets are of; 0: it is known, or there is none."""

    def said(self, caption: Sentence) -> "Order":
        """The same, when the caption is known. Raises InvalidInput, UnknownName where it lacks a word."""
        parts = [
            replace(part, target=target)
            for part in self.parts
            for target in (part.target.targets(caption) if isinstance(part.target, CaptionPart) else [part.target])
        ]
        return replace(self, parts=tuple(parts), sentence=caption, beams=0)

    def labels(self, model: Model) -> Sequence[str]:
        """What the model's outputs are called."""
        if self.sentence is not None and self.sentence.kind == "caption":
            return (*self.sentence.words, "(end)")
        return model.labels

    @property
    def words(self) -> tuple[int, ...]:
        """Tokens that the model is given."""
        return self.sentence.tokens if self.sentence else ()

    @property
    def task(self) -> Task:
        return Task(tuple(part.ask for part in self.parts), self.precision)

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(part.target for part in self.parts if not isinstance(part.target, CaptionPart))


def check_attribute(request: AttributeRequest, model: Model, default: Precision) -> Order:
    """Raises InvalidInput and its kin, each naming the field; MethodUnsupported. default: the server's precision."""
    return _order([_check_part(request, model, "")], request, model, default)


def check_compare(request: CompareRequest, model: Model, default: Precision) -> Order:
    """As check_attribute()."""
    if not 1 <= len(request.variants) <= MAX_VARIANTS:
        message = f"1 to {MAX_VARIANTS} variants can be compared, not {len(request.variants)}"
        raise InvalidInput(message, field="variants", reason="OUT_OF_RANGE")
    parts = [_check_part(variant, model, f"variants[{number}].") for number, variant in enumerate(request.variants)]
    return _order(parts, request, model, default)


def check_failure(request: AnalyzeFailureRequest, model: Model, default: Precision) -> Order:
    """As check_attribute(). The first part is for what the model says, the second for the truth."""
    model.check_task("classify", field="model")
    ask = _check_method_or_default(request, model)
    truth = ClassTarget((check_class(request.truth, model, "truth"),))
    # What the model says is nowhere in the request: where it cannot be explained, the method is to blame.
    parts = (Part(ask, TOP_CLASS, "method", "method", "said"), Part(ask, truth, "method", "truth", "truth"))
    return Order(parts, _check_precision(request.precision, model, default), _check_form(request))


def check_attribute_caption(request: AttributeCaptionRequest, model: Model) -> Order:
    """As check_attribute(). A part for each word, when the caption is known."""
    model.check_task("caption", field="model")
    ask = _check_method_or_default(request, model)
    part = Part(ask, CaptionPart(None, "text", each_word=True), "method", "text")
    beams = check_beams(request.beams, field="beams")
    order = Order((part,), "float32", _check_form(request), beams=beams)
    return order.said(given_caption(request.text, model, field="text")) if request.text else order


def check_top_k(top_k: int, *, least: int = 1) -> int:
    """Raises InvalidInput."""
    check_range("top_k", top_k, least, MAX_TOP_K)
    return top_k


def check_data_type(data_type: DataType) -> None:
    """Raises InvalidInput where no answer can have it."""
    if data_type not in (DataType.DATA_TYPE_UNSPECIFIED, *FLOATS):
        raise InvalidInput("data_type must be float32 or float16", field="data_type", reason="OUT_OF_RANGE")


def check_range(field: str, value: float, low: float, high: float, *, of: str = "") -> None:
    """Raises InvalidInput. of: what the value counts."""
    if not low <= value <= high:  # NaN too
        things = f" {of}" if of else ""
        raise InvalidInput(f"{field} must be {low} to {high}{things}, not {value}", field=field, reason="OUT_OF_RANGE")


def in_request(error: ConvscopeError, order: Order) -> ConvscopeError:
    """An error of the engine, its field as the path in the request."""
    part = order.parts[error.position or 0]
    if error.field == "targets":
        error.field = part.target_path
    elif error.field in type(part.ask.parameters).model_fields:
        error.field = f"{part.method_path}.{part.ask.method_name}.{error.field}"
    elif error.field == "method":
        error.field = f"{part.method_path}.{part.ask.method_name}"
    return error


def _check_part(message: AttributeRequest | Variant, model: Model, path: str) -> tuple[Part, Checked]:
    """path: of the message in the request, with its dot; empty for the request itself."""
    method_path, target_path = f"{path}method", f"{path}target"
    ask = _check_method(message.method, model, method_path)
    checked = check_target(message.target, model, target_path)
    return Part(ask, checked.target, method_path, target_path), checked


def _order(
    found: Sequence[tuple[Part, Checked]],
    request: AttributeRequest | CompareRequest,
    model: Model,
    default: Precision,
) -> Order:
    """Its targets share one sentence. Raises InvalidInput."""
    read = {(checked.sentence, checked.beams): part for part, checked in found if checked.sentence or checked.beams}
    if len(read) > 1:
        *_, part = read.values()
        message = "the targets of one call are about one question, or one caption"
        raise InvalidInput(message, field=part.target_path, reason="SENTENCES_DIFFER")
    sentence, beams = next(iter(read), (None, 0))
    parts = tuple(part for part, _ in found)
    order = Order(parts, _check_precision(request.precision, model, default), _check_form(request), beams=beams)
    return order.said(sentence) if sentence else order


def _check_method_or_default(request: AnalyzeFailureRequest | AttributeCaptionRequest, model: Model) -> Ask:
    method = request.method
    if not request.HasField("method"):
        method = method_pb2.Method(grad_cam=method_pb2.GradCamParameters())
    return _check_method(method, model, "method")


def _check_method(message: method_pb2.Method, model: Model, path: str) -> Ask:
    name = message.WhichOneof("kind")
    if name is None:
        known = f"a method is required that this server knows: {', '.join(METHODS)}"
        raise InvalidInput(known, field=path, reason="UNKNOWN_METHOD")
    with under(f"{path}.{name}"):
        method, parameters = find_method(name, set_fields(getattr(message, name)))
        return Ask(name, method, parameters, parameters.looks_at(model.layers))


def _check_precision(precision: attribution_service_pb2.Precision, model: Model, default: Precision) -> Precision:
    if precision == attribution_service_pb2.PRECISION_UNSPECIFIED:
        return default if model.names_classes else "float32"
    for name, value in PRECISIONS.items():
        if value == precision:
            if name != "float32" and not model.names_classes:
                message = "a network of words computes in float32"
                raise InvalidInput(message, field="precision", reason="PRECISION_UNSUPPORTED")
            return name
    raise InvalidInput("precision must be float32 or bfloat16", field="precision", reason="OUT_OF_RANGE")


def _check_form(request: Drawn) -> Form:
    check_data_type(request.data_type)
    top_k = DEFAULT_TOP_K
    if not isinstance(request, AttributeCaptionRequest) and request.HasField("top_k"):
        top_k = check_top_k(request.top_k, least=0)
    overlay, sheet = _check_drawing(request, "overlay"), _check_drawing(request, "contact_sheet")
    return Form(request.data_type, top_k, request.heatmap, overlay, sheet)


def _check_drawing(request: Drawn, field: str) -> Overlay | None:
    """The drawing that a request asks for; None for none."""
    if field not in request.DESCRIPTOR.fields_by_name or not request.HasField(field):
        return None
    drawing: Overlay = getattr(request, field)
    if request.image.WhichOneof("content") == "preprocessed":
        message = "a preprocessed image has no picture to draw on; ask for the heatmap"
        raise InvalidInput(message, field=field, reason="NO_PICTURE")
    if drawing.colormap and drawing.colormap not in COLORMAPS:
        raise UnknownName("colormap", drawing.colormap, COLORMAPS, field=f"{field}.colormap")
    if drawing.HasField("opacity"):
        check_range(f"{field}.opacity", drawing.opacity, 0, 1)
    if drawing.format not in Overlay.Format.values():
        raise InvalidInput("format must be PNG or JPEG", field=f"{field}.format", reason="OUT_OF_RANGE")
    return drawing

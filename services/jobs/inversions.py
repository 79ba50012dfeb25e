"""What InvertFeatures asks for, checked before anything is queued."""

from convscope.engine.errors import InvalidInput
from convscope.engine.synthesis.recipes import DEFAULT_INVERSION, INVERSIONS
from convscope.services.common.jobs.kinds import INVERT_FEATURES
from convscope.services.jobs.files import FEATURES, IMAGE, features_file, picture_file
from convscope.services.jobs.layers import check_layer
from convscope.services.jobs.orders import Order, check_count, make_order
from convscope.services.jobs.recipes import check_parameters
from convscope.services.jobs.settings import JobsSettings
from convscope.services.jobs.sizes import check_pictures
from convscope.v1.model_service_pb2 import Layer, ModelCard
from convscope.v1.synthesis_service_pb2 import InvertFeaturesRequest


def check_invert_features(request: InvertFeaturesRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
    """As check_visualize_class()."""
    recipe = request.recipe or DEFAULT_INVERSION
    parameters = check_parameters(recipe, request.parameters, INVERSIONS, limits)
    if parameters.copies > 1:
        message = f"an inversion makes one picture of each layer, not {parameters.copies}"
        raise InvalidInput(message, field="parameters.copies", reason="OUT_OF_RANGE")
    layers = _layers(request, card, limits)
    check_pictures(parameters, len(layers) or 1, card, limits)
    match request.WhichOneof("source"):
        case "image":
            inputs = {IMAGE: picture_file(request.image, limits)}
        case "features":
            if len(layers) != 1:
                message = f"features are those of exactly one layer; {len(layers) or 'none'} named"
                raise InvalidInput(message, field="layers", reason="OUT_OF_RANGE")
            inputs = {FEATURES: features_file(request.features, layers[0])}
        case _:
            message = "a source is required: an image, or features"
            raise InvalidInput(message, field="source", reason="SOURCE_MISSING")
    spec = {
        "layers": list(request.layers),
        "all_layers": request.all_layers,
        "recipe": recipe,
        "parameters": parameters.model_dump(mode="json"),
    }
    return make_order(INVERT_FEATURES, request.model, request.options, spec, inputs)


def _layers(request: InvertFeaturesRequest, card: ModelCard | None, limits: JobsSettings) -> list[Layer | None]:
    """Those that are named, each None where only the worker knows it. Raises InvalidInput (field `layers`)."""
    if request.layers and request.all_layers:
        message = "all_layers stands for naming layers; name none with it"
        raise InvalidInput(message, field="layers", reason="CONTRADICTION")
    if request.layers:
        check_count(len(request.layers), "layers", limits, field="layers")
    found = []
    for place, name in enumerate(request.layers):
        found.append(check_layer(name, card, field=f"layers[{place}]"))
        if name in request.layers[:place]:
            message = f"the layer {name!r} is named twice"
            raise InvalidInput(message, field=f"layers[{place}]", reason="INVALID_PARAMETER")
    return found

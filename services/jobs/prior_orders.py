"""What TrainPrior asks for, checked before anything is queued."""

from convscope.engine.errors import InvalidInput, InvalidParameter, UnknownName
from convscope.engine.generation.parameters import FEWEST, TrainingParameters
from convscope.services.common.collections.collection import Collection
from convscope.services.common.jobs.kinds import TRAIN_PRIOR
from convscope.services.common.resource_names import COLLECTIONS
from convscope.services.jobs.layers import check_layer
from convscope.services.jobs.orders import Order, check_length, given, make_order
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import PriorTraining, TrainPriorRequest

FIELD = "training"


def check_train_prior(
    request: TrainPriorRequest, collection: Collection, card: ModelCard | None, limits: JobsSettings
) -> Order:
    """card: None where nobody has loaded the model; the worker then checks what only the model knows. Raises
    InvalidInput and its kin, each naming the field."""
    layer = check_layer(request.layer, card, field="layer", papers=False)
    if layer is not None and len(layer.output_shape) not in (1, 3):
        message = f"the layer {layer.name!r} gives {list(layer.output_shape)}, neither a vector nor channels on a grid"
        raise InvalidInput(message, field="layer", reason="NO_FEATURES")
    if collection.image_count < FEWEST:
        message = f"{COLLECTIONS}{collection.id} has {collection.image_count} images; a prior is learned from {FEWEST}"
        raise InvalidInput(f"{message} at least", field="collection", reason="TOO_FEW_PICTURES")
    if collection.image_count > limits.max_training_images:
        message = f"{COLLECTIONS}{collection.id} has {collection.image_count} images; this cluster learns from at most"
        raise InvalidInput(f"{message} {limits.max_training_images}", field="collection", reason="OUT_OF_RANGE")
    spec = {
        "collection": collection.id,
        # What comes meanwhile is for the next time.
        "image_count": collection.image_count,
        "layer": request.layer,
        "parameters": _check_training(request.training, limits).model_dump(mode="json"),
    }
    return make_order(TRAIN_PRIOR, request.model, request.options, spec)


def _check_training(message: PriorTraining, limits: JobsSettings) -> TrainingParameters:
    """With the steps and the batch that it will have."""
    check_length(message.preset, "preset", field=f"{FIELD}.preset")
    try:
        parameters = TrainingParameters.parse(given(message, TrainingParameters.model_fields))
        steps, _ = parameters.sizes()
    except (InvalidParameter, UnknownName) as error:
        error.field = f"{FIELD}.{error.field}"
        raise
    if steps > limits.max_training_steps:
        text = f"{steps} steps are more than the {limits.max_training_steps} that this cluster accepts"
        raise InvalidInput(text, field=f"{FIELD}.steps", reason="OUT_OF_RANGE")
    return parameters.resolved()

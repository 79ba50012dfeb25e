"""The class that a request names, against the model's card."""

from convscope.engine.errors import InvalidInput
from convscope.engine.models.labels import Labels
from convscope.engine.words.task import check_task
from convscope.services.common.cards import task_of
from convscope.services.common.resource_names import MODELS
from convscope.services.jobs.orders import check_length
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.target_pb2 import ClassReference


def check_class(reference: ClassReference, card: ModelCard | None, *, field: str) -> int | str:
    """What the caller said, also where the card tells a label's index: the same call is the same order before there is
    a card and after. Without a card the worker checks. Raises InvalidInput, UnknownName with the nearest labels."""
    match reference.WhichOneof("kind"):
        case "index":
            if card is not None:
                return _labels(card).check_index(reference.index, field=field)
            if reference.index < 0:
                message = f"class index {reference.index} is out of range"
                raise InvalidInput(message, field=field, reason="UNKNOWN_CLASS")
            return reference.index
        case "label":
            check_length(reference.label, "class", field=field)
            if card is not None:
                _labels(card).index_of(reference.label, field=field)
            return reference.label
        case _:
            raise InvalidInput("a class is required: its index or its label", field=field, reason="TARGET_MISSING")


def check_classifies(model: str, card: ModelCard | None) -> None:
    """Raises TaskUnsupported where the card says that the model does something else."""
    if card is not None:
        check_task(model.removeprefix(MODELS), task_of(card), "classify", field="model")


def _labels(card: ModelCard) -> Labels:
    return Labels(card.labels or [str(index) for index in range(card.class_count)])

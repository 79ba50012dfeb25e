"""Cards of models: what those who hold a model tell those who hold none."""

from typing import TYPE_CHECKING, Any

import redis

from convscope.v1 import model_service_pb2
from convscope.v1.model_service_pb2 import ModelCard

if TYPE_CHECKING:  # a server that holds no model has no torch
    from convscope.engine.models.layers import Layer
    from convscope.engine.models.model import Model
    from convscope.engine.words.task import Task

CARDS = "convscope:cards"
TASKS: dict["Task", model_service_pb2.ModelTask] = {
    "classify": model_service_pb2.MODEL_TASK_CLASSIFY,
    "caption": model_service_pb2.MODEL_TASK_CAPTION,
    "vqa": model_service_pb2.MODEL_TASK_VQA,
}


def to_card(model: "Model", *, whole: bool) -> ModelCard:
    """What a loaded model is; its labels and layers only where `whole`."""
    return ModelCard(
        weights_digest=model.weights_digest,
        preprocessing=model_service_pb2.Preprocessing(**model.preprocessing.model_dump()),
        class_count=len(model.labels),
        labels=model.labels if whole and model.has_labels else (),
        layers=[_layer(layer) for layer in model.layers.layers] if whole else (),
        suggested_layer=model.layers.suggested or "",
        parameter_count=model.parameter_count,
        device=str(model.device),
        task=TASKS[model.task],
        tokenizer_digest=model.tokenizer.digest if model.tokenizer else "",
    )


def _layer(layer: "Layer") -> model_service_pb2.Layer:
    return model_service_pb2.Layer(name=layer.name, type=layer.type, output_shape=layer.output_shape, calls=layer.calls)


def task_of(card: ModelCard) -> "Task":
    """What the model does."""
    return next((task for task, value in TASKS.items() if value == card.task), "classify")


def publish_card(store: redis.Redis, model: "Model") -> None:
    """Let everybody who shares the store know the model."""
    store.hset(CARDS, model.name, to_card(model, whole=True).SerializeToString())


def find_card(store: redis.Redis, name: str) -> ModelCard | None:
    """The card of a model; None while nobody has loaded it."""
    found: Any = store.hget(CARDS, name)
    return ModelCard.FromString(found) if found else None

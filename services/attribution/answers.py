"""Results to messages of the contract."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.imaging.overlay import OPACITY, overlay
from convscope.engine.models.labels import Labels
from convscope.engine.models.layers import Layer
from convscope.engine.models.model import Model
from convscope.engine.models.preprocessing import Region
from convscope.services.attribution.executor import Result
from convscope.services.attribution.pictures import Picture
from convscope.services.attribution.requests import Question
from convscope.services.attribution.tensors import to_tensor
from convscope.v1 import image_pb2, model_service_pb2
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeResponse, Overlay
from convscope.v1.prediction_pb2 import Prediction

JPEG_QUALITY = 90


def to_response(
    request: AttributeRequest, question: Question, model: Model, picture: Picture, result: Result, *, precision: str
) -> AttributeResponse:
    """The answer to an AttributeRequest, with what it asked for."""
    assert result.values is not None
    height, width = model.preprocessing.height, model.preprocessing.width
    probabilities = softmax(result.scores)
    response = AttributeResponse(
        attribution=to_tensor(result.values, request.data_type),
        target=_prediction(result.target, result.scores, probabilities, model.labels),
        predictions=to_predictions(result.scores, model.labels, question.top_k),
        region=to_region(picture.region),
        layer=question.layer,
        input_height=height,
        input_width=width,
        precision=precision,
    )
    if request.heatmap or request.HasField("overlay"):
        heatmap = to_heatmap(result.values, height, width)
        if request.heatmap:
            response.heatmap.CopyFrom(to_tensor(heatmap, request.data_type))
        if request.HasField("overlay"):
            response.overlay = _draw(request.overlay, heatmap, picture)
    return response


def to_predictions(scores: NDArray[np.float32], labels: Labels, top_k: int) -> list[Prediction]:
    """The `top_k` most probable classes, best first; of equal ones the first."""
    probabilities = softmax(scores)
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [_prediction(int(index), scores, probabilities, labels) for index in best]


def softmax(scores: NDArray[np.float32]) -> NDArray[Any]:
    """exp(s) / sum exp(s), in double precision."""
    powers = np.exp(scores.astype(np.float64) - scores.max())
    return np.asarray(powers / powers.sum())


def to_region(region: Region) -> image_pb2.Region:
    left, top, right, bottom = region
    return image_pb2.Region(left=left, top=top, right=right, bottom=bottom)


def to_card(model: Model, *, whole: bool) -> model_service_pb2.ModelCard:
    """What a loaded model is; its labels and layers only where `whole`."""
    return model_service_pb2.ModelCard(
        weights_digest=model.weights_digest,
        preprocessing=model_service_pb2.Preprocessing(**model.preprocessing.model_dump()),
        class_count=len(model.labels),
        labels=model.labels if whole and model.has_labels else (),
        layers=[_layer(layer) for layer in model.layers.layers] if whole else (),
        suggested_layer=model.layers.suggested or "",
        parameter_count=model.parameter_count,
        device=str(model.device),
    )


def _layer(layer: Layer) -> model_service_pb2.Layer:
    return model_service_pb2.Layer(name=layer.name, type=layer.type, output_shape=layer.output_shape, calls=layer.calls)


def _prediction(index: int, scores: NDArray[np.float32], probabilities: NDArray[Any], labels: Labels) -> Prediction:
    return Prediction(index=index, label=labels[index], score=scores[index], probability=probabilities[index])


def _draw(options: Overlay, heatmap: NDArray[np.float32], picture: Picture) -> bytes:
    assert picture.original is not None
    drawing = overlay(
        picture.original,
        heatmap,
        picture.region,
        opacity=options.opacity if options.HasField("opacity") else OPACITY,
        colormap=options.colormap or "turbo",
    )
    file = BytesIO()
    if options.format == Overlay.FORMAT_JPEG:
        drawing.save(file, "JPEG", quality=JPEG_QUALITY)
    else:
        drawing.save(file, "PNG", compress_level=1)
    return file.getvalue()

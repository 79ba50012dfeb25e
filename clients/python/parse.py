"""Messages of the contract to what calls return."""

from typing import Any

from convscope.client.recipes import Recipe
from convscope.client.results import (
    Attribution,
    Classification,
    Comparison,
    FailureAnalysis,
    Layer,
    Model,
    Prediction,
    Preprocessing,
    Replica,
    Segmentation,
)
from convscope.client.synthesis_parameters import from_parameters
from convscope.client.tensors import to_array
from convscope.engine.imaging.heatmap import Reduction
from convscope.v1 import (
    attribution_service_pb2,
    model_service_pb2,
    prediction_pb2,
    segmentation_pb2,
    synthesis_service_pb2,
)
from convscope.v1.attribution_service_pb2 import (
    AnalyzeFailureResponse,
    AttributeResponse,
    ClassifyResponse,
    CompareResponse,
)
from convscope.v1.image_pb2 import Image, Region
from convscope.v1.model_service_pb2 import ModelState

_REDUCTIONS: dict[int, Reduction] = {
    attribution_service_pb2.REDUCTION_SUM: "sum",
    attribution_service_pb2.REDUCTION_LARGEST: "largest",
}


def to_attribution(response: AttributeResponse, method: str, model: str, image: Image) -> Attribution:
    """`image`: as it was sent."""
    return Attribution(
        values=to_array(response.attribution),
        method=method,
        model=model,
        target=to_prediction(response.target) if response.HasField("target") else None,
        target_name=response.target_name,
        explained=response.explained,
        predictions=to_predictions(response.predictions),
        region=to_region(response.region),
        input_size=(response.input_height, response.input_width),
        layer=response.layer,
        reduction=_REDUCTIONS.get(response.reduction, "sum"),
        convergence_error=response.convergence_error if response.HasField("convergence_error") else None,
        segmentation=_to_segmentation(response.segmentation) if response.HasField("segmentation") else None,
        sentence=response.sentence,
        precision=attribution_service_pb2.Precision.Name(response.precision).removeprefix("PRECISION_").lower(),
        cached=response.cached,
        image=image,
    )


def to_comparison(response: CompareResponse, methods: list[str], model: str, image: Image) -> Comparison:
    answers = zip(response.attributions, methods, strict=True)
    return Comparison(tuple(to_attribution(answer, method, model, image) for answer, method in answers))


def to_failure_analysis(response: AnalyzeFailureResponse, method: str, model: str, image: Image) -> FailureAnalysis:
    said, truth = (to_attribution(answer, method, model, image) for answer in (response.said, response.truth))
    return FailureAnalysis(response.correct, said, truth)


def to_classification(response: ClassifyResponse) -> Classification:
    return Classification(to_predictions(response.predictions), to_region(response.region))


def to_recipe(message: synthesis_service_pb2.Recipe) -> Recipe:
    purpose = synthesis_service_pb2.Recipe.Purpose.Name(message.purpose)
    additions = [synthesis_service_pb2.Recipe.Addition.Name(one) for one in message.additions]
    return Recipe(
        name=message.name,
        purpose=purpose.removeprefix("PURPOSE_").lower(),
        system=message.system,
        source=message.source,
        summary=message.summary,
        additions=tuple(one.removeprefix("ADDITION_").lower() for one in additions),
        parameters=from_parameters(message.parameters),
    )


def _to_segmentation(message: segmentation_pb2.Segmentation) -> Segmentation:
    return Segmentation(
        box=_to_box(message.box) if message.HasField("box") else None,
        outlines=tuple(tuple(zip(outline.x, outline.y, strict=True)) for outline in message.outlines),
        heatmap_box=_to_box(message.heatmap_box) if message.HasField("heatmap_box") else None,
        note=message.note,
    )


def _to_box(box: segmentation_pb2.Box) -> tuple[int, int, int, int]:
    return (box.left, box.top, box.right, box.bottom)


def _state(state: ModelState) -> str:
    return ModelState.Name(state).removeprefix("MODEL_STATE_").lower()


def to_model(message: model_service_pb2.Model) -> Model:
    card = message.card
    return Model(
        name=message.name.removeprefix("models/"),
        description=message.description,
        state=_state(message.state),
        replicas=tuple(Replica(one.replica, _state(one.state), one.message) for one in message.replicas),
        weights_digest=card.weights_digest,
        preprocessing=_to_preprocessing(card.preprocessing) if message.HasField("card") else None,
        class_count=card.class_count,
        parameter_count=card.parameter_count,
        suggested_layer=card.suggested_layer,
        device=card.device,
        task=model_service_pb2.ModelTask.Name(card.task).removeprefix("MODEL_TASK_").lower() if card.task else "",
        labels=tuple(card.labels),
        layers=tuple(Layer(one.name, one.type, tuple(one.output_shape), one.calls) for one in card.layers),
    )


def _to_preprocessing(message: model_service_pb2.Preprocessing) -> Preprocessing:
    return Preprocessing(
        resize=message.resize,
        height=message.height,
        width=message.width,
        interpolation=message.interpolation,
        mean=tuple(message.mean),
        std=tuple(message.std),
    )


def to_prediction(message: prediction_pb2.Prediction) -> Prediction:
    return Prediction(message.index, message.label, message.score, message.probability)


def to_predictions(messages: Any) -> tuple[Prediction, ...]:
    return tuple(to_prediction(message) for message in messages)


def to_region(message: Region) -> tuple[float, float, float, float]:
    return (message.left, message.top, message.right, message.bottom)

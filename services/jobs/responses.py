"""What a job has made, as the response of its kind."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from convscope.services.common.jobs.job import Job
from convscope.services.common.jobs.kinds import (
    CREATE_ADVERSARIAL,
    DEEP_DREAM,
    EVALUATE_ATTENTION,
    EVALUATE_METHODS,
    IMPORT_IMAGES,
    INDEX_COLLECTION,
    INVERT_FEATURES,
    PROJECT_COLLECTION,
    TRAIN_PRIOR,
    VISUALIZE_CHANNEL,
    VISUALIZE_CLASS,
)
from convscope.services.common.resource_names import COLLECTIONS, artifact_resource
from convscope.services.jobs.collection_answers import to_imported, to_indexed
from convscope.services.jobs.evaluation_answers import CHART, REPORT, REPORT_PAGE, SOURCES, to_method_evaluation
from convscope.services.jobs.known_prior import KnownPrior, to_prior
from convscope.v1.collection_service_pb2 import (
    ImportImagesResponse,
    IndexCollectionResponse,
    ProjectCollectionResponse,
)
from convscope.v1.evaluation_service_pb2 import EvaluateAttentionResponse, EvaluateMethodsResponse
from convscope.v1.prediction_pb2 import Prediction
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialResponse,
    DeepDreamResponse,
    InvertFeaturesResponse,
    SynthesizedImage,
    TrainPriorResponse,
    VisualizeChannelResponse,
    VisualizeClassResponse,
)
from convscope.v1.target_pb2 import ClassReference, Unit

PERTURBATION = "perturbation.png"
CHAIN, EXAMPLES, SAMPLES = "chain.png", "examples.png", "samples.png"
COORDINATES, MAP_PICTURE, MAP_PAGE = "coordinates.npy", "map.png", "map.html"


def _images(job: Job) -> list[SynthesizedImage]:
    return [_to_image(job.id, image) for image in job.result["images"]]


def _to_image(id: str, image: Mapping[str, Any]) -> SynthesizedImage:
    target, unit = image.get("target"), image.get("unit")
    return SynthesizedImage(
        artifact=artifact_resource(id, image["file"]),
        target=None if target is None else ClassReference(index=target),
        label=image.get("label", ""),
        score=image["score"],
        probability=image.get("probability"),
        unit=None if unit is None else Unit(**unit),
        layer=image.get("layer", ""),
        distance=image.get("distance"),
        similarity=image.get("similarity"),
        example_numbers=image.get("example_numbers", ()),
    )


def _visualized_class(job: Job) -> VisualizeClassResponse:
    return VisualizeClassResponse(images=_images(job), recipe=_recipe(job), **_sheets(job))


def _visualized_channel(job: Job) -> VisualizeChannelResponse:
    return VisualizeChannelResponse(images=_images(job), recipe=_recipe(job), **_sheets(job))


def _sheets(job: Job) -> dict[str, str]:
    """Those that it has left."""
    left = {file.name for file in job.files}
    return {
        name: artifact_resource(job.id, file)
        for name, file in (("chain", CHAIN), ("examples", EXAMPLES))
        if file in left
    }


def _dream(job: Job) -> DeepDreamResponse:
    return DeepDreamResponse(images=_images(job), layer=job.result["layer"])


def _inverted(job: Job) -> InvertFeaturesResponse:
    return InvertFeaturesResponse(images=_images(job), recipe=_recipe(job))


def _recipe(job: Job) -> str:
    """Jobs that were handed in before there were recipes have none."""
    return str(job.spec.get("recipe", ""))


def _adversarial(job: Job) -> CreateAdversarialResponse:
    result = job.result
    return CreateAdversarialResponse(
        images=_images(job),
        fooled=result["fooled"],
        before=[Prediction(**prediction) for prediction in result["before"]],
        after=[Prediction(**prediction) for prediction in result["after"]],
        linf=result["linf"],
        l2=result["l2"],
        changed=result["changed"],
        steps=result["steps"],
        perturbation=artifact_resource(job.id, PERTURBATION),
        magnification=result["magnification"],
    )


def _trained(job: Job) -> TrainPriorResponse:
    return TrainPriorResponse(prior=to_prior(KnownPrior.made(job)), samples=artifact_resource(job.id, SAMPLES))


def _imported(job: Job) -> ImportImagesResponse:
    return to_imported(job.result)


def _indexed(job: Job) -> IndexCollectionResponse:
    return to_indexed(job.result)


def _projected(job: Job) -> ProjectCollectionResponse:
    result = job.result
    return ProjectCollectionResponse(
        collection=COLLECTIONS + result["collection"],
        index=result["index"],
        image_count=result["image_count"],
        coordinates=artifact_resource(job.id, COORDINATES),
        picture=artifact_resource(job.id, MAP_PICTURE),
        page=artifact_resource(job.id, MAP_PAGE),
    )


def _evaluated_methods(job: Job) -> EvaluateMethodsResponse:
    result = job.result
    return EvaluateMethodsResponse(
        collection=COLLECTIONS + result["collection"],
        example_count=result["example_count"],
        methods=map(to_method_evaluation, result["methods"]),
        report=artifact_resource(job.id, REPORT),
        page=artifact_resource(job.id, REPORT_PAGE),
    )


def _evaluated_attention(job: Job) -> EvaluateAttentionResponse:
    result = job.result
    return EvaluateAttentionResponse(
        collection=COLLECTIONS + result["collection"],
        example_count=result["example_count"],
        source=SOURCES[result["source"]],
        methods=map(to_method_evaluation, result["methods"]),
        report=artifact_resource(job.id, REPORT),
        page=artifact_resource(job.id, REPORT_PAGE),
        chart=artifact_resource(job.id, CHART),
    )


RESPONSES: Mapping[str, Callable[[Job], Message]] = {
    VISUALIZE_CLASS: _visualized_class,
    VISUALIZE_CHANNEL: _visualized_channel,
    DEEP_DREAM: _dream,
    INVERT_FEATURES: _inverted,
    CREATE_ADVERSARIAL: _adversarial,
    TRAIN_PRIOR: _trained,
    IMPORT_IMAGES: _imported,
    INDEX_COLLECTION: _indexed,
    PROJECT_COLLECTION: _projected,
    EVALUATE_METHODS: _evaluated_methods,
    EVALUATE_ATTENTION: _evaluated_attention,
}

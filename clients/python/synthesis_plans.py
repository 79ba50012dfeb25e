"""Every call that begins a job that makes pictures as a value; see plans.py."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from convscope.client.arguments import check_finite, check_integer, check_text, check_truth, listed
from convscope.client.dataset_examples import DatasetExamples, to_examples
from convscope.client.errors import InvalidArgument
from convscope.client.features import to_features
from convscope.client.images import Picture, to_image
from convscope.client.job_plans import job_of, to_options
from convscope.client.parse import to_recipe
from convscope.client.plans import Plan, resource
from convscope.client.prior import PriorInfo
from convscope.client.prior_plans import prior_resource
from convscope.client.recipes import Recipe
from convscope.client.synthesis_parameters import to_parameters
from convscope.client.targets import ClassName, Unit, to_class, to_classes, to_units
from convscope.v1.image_pb2 import Image
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DeepDreamRequest,
    InvertFeaturesRequest,
    ListRecipesRequest,
    ListRecipesResponse,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)


def visualize_class(
    *,
    model: str,
    target: ClassName | Collection[ClassName],
    recipe: str | None,
    image: Picture | None,
    prior: str | PriorInfo | None,
    examples: DatasetExamples | None,
    parameters: Mapping[str, Any],
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    request = VisualizeClassRequest(
        model=resource(model),
        targets=to_classes(target, field="targets"),
        recipe=_recipe(recipe),
        parameters=to_parameters(parameters),
        image=None if image is None else to_image(image),
        prior=None if prior is None else prior_resource(prior, field="prior"),
        examples=None if examples is None else to_examples(examples),
        options=to_options(priority, request_id, preview_seconds=preview_seconds),
    )
    return Plan(lambda stubs: stubs.synthesis.VisualizeClass, request, job_of)


def visualize_channel(
    *,
    model: str,
    unit: Unit | Collection[Unit],
    recipe: str | None,
    image: Picture | None,
    prior: str | PriorInfo | None,
    examples: DatasetExamples | None,
    parameters: Mapping[str, Any],
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """As visualize_class()."""
    request = VisualizeChannelRequest(
        model=resource(model),
        units=to_units(unit, field="units"),
        recipe=_recipe(recipe),
        parameters=to_parameters(parameters),
        image=None if image is None else to_image(image),
        prior=None if prior is None else prior_resource(prior, field="prior"),
        examples=None if examples is None else to_examples(examples),
        options=to_options(priority, request_id, preview_seconds=preview_seconds),
    )
    return Plan(lambda stubs: stubs.synthesis.VisualizeChannel, request, job_of)


def deep_dream(
    image: Picture,
    *,
    model: str,
    layer: str | None,
    channels: Iterable[int],
    guide: Picture | None,
    steps: int | None,
    octaves: int | None,
    octave_scale: float | None,
    step_size: float | None,
    jitter: int | None,
    size: int | None,
    seed: int | None,
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    numbers = listed("channels", channels, "several whole numbers")
    request = DeepDreamRequest(
        model=resource(model),
        image=to_image(image),
        layer="" if layer is None else check_text("layer", layer, "UNKNOWN_LAYER"),
        channels=[check_integer(f"channels[{place}]", number) for place, number in enumerate(numbers)],
        guide=None if guide is None else _to_guide(guide),
        steps=_integer("steps", steps),
        octaves=_integer("octaves", octaves),
        octave_scale=_number("octave_scale", octave_scale),
        step_size=_number("step_size", step_size),
        jitter=_integer("jitter", jitter),
        size=_integer("size", size),
        seed=_integer("seed", seed, bits=64),
        options=to_options(priority, request_id, preview_seconds=preview_seconds),
    )
    return Plan(lambda stubs: stubs.synthesis.DeepDream, request, job_of)


def invert_features(
    image: Picture | None,
    *,
    model: str,
    layer: str | Iterable[str] | None,
    features: ArrayLike | None,
    all_layers: bool,
    recipe: str | None,
    parameters: Mapping[str, Any],
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    if (image is None) == (features is None):
        how = "an image or features must be given" if image is None else "an image goes without features"
        raise InvalidArgument(how, field="image", reason="IMAGE_MISSING" if image is None else "INVALID_INPUT")
    layers = _layers(layer)
    if check_truth("all_layers", all_layers) and layers:
        raise InvalidArgument("all_layers goes without a layer", field="layers", reason="INVALID_INPUT")
    if features is not None and len(layers) != 1:
        message = "features are of one layer, which must be named"
        raise InvalidArgument(message, field="layers", reason="INVALID_INPUT")
    request = InvertFeaturesRequest(
        model=resource(model),
        image=None if image is None else to_image(image),
        features=None if features is None else to_features(features),
        layers=layers,
        all_layers=all_layers,
        recipe=_recipe(recipe),
        parameters=to_parameters(parameters),
        options=to_options(priority, request_id, preview_seconds=preview_seconds),
    )
    return Plan(lambda stubs: stubs.synthesis.InvertFeatures, request, job_of)


def create_adversarial(
    image: Picture | None,
    *,
    model: str,
    target: ClassName | None,
    attack: str | None,
    norm: str | None,
    epsilon: float | None,
    steps: int | None,
    step_size: float | None,
    restarts: int | None,
    random_start: bool | None,
    confidence: float | None,
    seed: int | None,
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    request = CreateAdversarialRequest(
        model=resource(model),
        image=None if image is None else to_image(image),
        target=None if target is None else to_class(target, field="target"),
        attack=_text("attack", attack),
        norm=_text("norm", norm),
        epsilon=_number("epsilon", epsilon),
        steps=_integer("steps", steps),
        step_size=_number("step_size", step_size),
        restarts=_integer("restarts", restarts),
        confidence=_number("confidence", confidence),
        seed=_integer("seed", seed, bits=64),
        options=to_options(priority, request_id, preview_seconds=preview_seconds),
    )
    if random_start is not None:
        request.random_start = check_truth("random_start", random_start)
    return Plan(lambda stubs: stubs.synthesis.CreateAdversarial, request, job_of)


def list_recipes() -> Plan[list[Recipe]]:
    def parse(response: ListRecipesResponse) -> list[Recipe]:
        return [to_recipe(recipe) for recipe in response.recipes]

    return Plan(lambda stubs: stubs.synthesis.ListRecipes, ListRecipesRequest(), parse)


def _layers(layer: str | Iterable[str] | None) -> list[str]:
    if layer is None:
        return []
    names = [layer] if isinstance(layer, str) else listed("layers", layer, "a name or several")
    if not names:
        raise InvalidArgument("layers must be a name or several", field="layers", reason="OUT_OF_RANGE")
    return [check_text(f"layers[{place}]", name, "UNKNOWN_LAYER") for place, name in enumerate(names)]


def _recipe(name: str | None) -> str:
    return "" if name is None else check_text("recipe", name, "UNKNOWN_RECIPE")


def _to_guide(picture: Picture) -> Image:
    try:
        return to_image(picture)
    except InvalidArgument as error:
        error.field = "guide"
        raise


def _integer(field: str, value: int | None, *, bits: int = 32) -> int | None:
    return None if value is None else check_integer(field, value, bits=bits)


def _number(field: str, value: float | None) -> float | None:
    return None if value is None else check_finite(field, value)


def _text(field: str, value: str | None) -> str | None:
    return None if value is None else check_text(field, value, "OUT_OF_RANGE")

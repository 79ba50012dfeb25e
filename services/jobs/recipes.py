"""Recipes and their parameters: of a request to the engine's values, and of the engine to messages."""

from collections.abc import Mapping
from typing import Any

from convscope.engine.errors import InvalidParameter
from convscope.engine.synthesis import recipes as engine
from convscope.engine.synthesis.parameters import Stage, SynthesisParameters
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES, find_recipe
from convscope.services.jobs.orders import check_length, check_steps, given
from convscope.services.jobs.settings import JobsSettings
from convscope.v1 import synthesis_service_pb2 as messages
from convscope.v1.synthesis_service_pb2 import Recipe, SynthesisStage

FIELD = "parameters"
ADDITIONS: Mapping[engine.Addition, Recipe.Addition] = {
    "frequency_penalization": Recipe.ADDITION_FREQUENCY_PENALIZATION,
    "transformation_robustness": Recipe.ADDITION_TRANSFORMATION_ROBUSTNESS,
    "learned_prior": Recipe.ADDITION_LEARNED_PRIOR,
    "dataset_examples": Recipe.ADDITION_DATASET_EXAMPLES,
}


def check_parameters(
    recipe: str,
    message: messages.SynthesisParameters,
    recipes: Mapping[str, engine.Recipe],
    limits: JobsSettings,
) -> SynthesisParameters:
    """All parameters: the recipe's, but for those that the message sets.

    Raises UnknownName (field `recipe`) with the nearest names, InvalidParameter and InvalidInput that name the field
    under `parameters`.
    """
    check_length(recipe, "recipe", field="recipe")
    found = find_recipe(recipe, recipes)
    overrides = given(message, SynthesisParameters.model_fields)
    if message.stages:
        overrides["stages"] = tuple(_stage(stage, place) for place, stage in enumerate(message.stages))
    try:
        parameters = found.with_overrides(overrides)
    except InvalidParameter as error:
        error.field = f"{FIELD}.{error.field}"
        raise
    check_steps(parameters.steps, limits, field=f"{FIELD}.steps")
    return parameters


def _stage(message: SynthesisStage, place: int) -> Stage:
    values = given(message, Stage.model_fields)
    path = f"{FIELD}.stages[{place}]"
    for name in ("step", "blur"):
        factors = tuple(getattr(message, name))
        if factors and len(factors) != 2:
            text = f"{name} takes two numbers, at the stage's first step and at its last, not {len(factors)}"
            raise InvalidParameter(text, field=f"{path}.{name}")
        if factors:
            values[name] = factors
    check_length(message.layer, "layer", field=f"{path}.layer")
    try:
        return Stage.parse({**values, "layer": message.layer})
    except InvalidParameter as error:
        error.field = f"{path}.{error.field}"
        raise


def list_recipes() -> list[Recipe]:
    """Those of classes and units, then those of features."""
    purposes = {Recipe.PURPOSE_VISUALIZATION: RECIPES, Recipe.PURPOSE_INVERSION: INVERSIONS}
    return [_to_recipe(recipe, purpose) for purpose, recipes in purposes.items() for recipe in recipes.values()]


def _to_recipe(recipe: engine.Recipe, purpose: Recipe.Purpose) -> Recipe:
    return Recipe(
        name=recipe.name,
        purpose=purpose,
        system=recipe.system,
        source=recipe.source,
        summary=recipe.summary,
        additions=[ADDITIONS[addition] for addition in recipe.additions],
        parameters=to_parameters(recipe.parameters),
    )


def to_parameters(parameters: SynthesisParameters) -> messages.SynthesisParameters:
    """Every parameter is set but those that are None."""
    values: dict[str, Any] = parameters.model_dump(exclude_none=True, exclude={"stages"})
    stages = [SynthesisStage(**stage.model_dump()) for stage in parameters.stages]
    return messages.SynthesisParameters(**values, stages=stages)

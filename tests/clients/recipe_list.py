"""The answer to ListRecipes, from the recipes that there are."""

from collections.abc import Mapping

from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from convscope.engine.synthesis.recipes import Recipe as Ours
from convscope.v1.synthesis_service_pb2 import ListRecipesResponse, Recipe, SynthesisParameters


def list_of_recipes() -> ListRecipesResponse:
    """Those of classes and units, then those of features."""
    return ListRecipesResponse(
        recipes=[
            *_to_messages(RECIPES, Recipe.PURPOSE_VISUALIZATION),
            *_to_messages(INVERSIONS, Recipe.PURPOSE_INVERSION),
        ]
    )


def _to_messages(recipes: Mapping[str, Ours], purpose: Recipe.Purpose) -> list[Recipe]:
    return [
        Recipe(
            name=one.name,
            purpose=purpose,
            system=one.system,
            source=one.source,
            summary=one.summary,
            additions=[f"ADDITION_{name.upper()}" for name in one.additions],
            parameters=SynthesisParameters(**one.parameters.model_dump(exclude_none=True)),
        )
        for one in recipes.values()
    ]

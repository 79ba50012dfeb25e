"""One class by several recipes, on one sheet: a row for each paper, its variants side by side."""

from collections.abc import Sequence

from PIL import Image

from convscope.client import Recipe, Synthesis
from convscope.client.sheet import sheet_of
from convscope.engine.imaging.contact_sheet import Tile

LARGEST = 256
"""Of a picture on the sheet, pixels: some recipes make larger ones than others."""


def recipe_sheet(recipes: Sequence[Recipe], made: Sequence[Synthesis]) -> Image.Image:
    """Takes a while."""
    systems = {recipe.name: recipe.system for recipe in recipes}
    rows: dict[str, list[Tile]] = {}
    for one in made:
        system = systems.get(one.recipe, one.recipe)
        # Pillow's own font has no such letter.
        note = system.replace("Ø", "O")
        for picture, what in zip(one.images, one.made, strict=True):
            near = f" {what.probability:.2f}" if what.target is not None else ""
            rows.setdefault(system, []).append(Tile(picture, f"{one.recipe or what.title}{near}", note))
    return sheet_of(list(rows.values()), largest=LARGEST)

"""convscope recipe-table: one class by every recipe, on one sheet."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image, ImageDraw, ImageFont

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.following import follow, interruptible
from convscope.client.cli.job_options import Priority, Seed, check_folder
from convscope.client.cli.question import to_class_name
from convscope.client.cli.recipe_options import PriorName, RecipeTexts, Steps, overrides
from convscope.client.client import Client
from convscope.client.errors import ClientError, InvalidArgument
from convscope.client.jobs import Job
from convscope.client.recipes import Recipe
from convscope.client.results import check_picture_destination
from convscope.client.sheet import sheet_of
from convscope.client.synthesis import Synthesis
from convscope.engine.imaging.contact_sheet import FAINT, INK, PAPER, Tile

# Of a picture on the sheet, pixels: some recipes make larger ones than others.
LARGEST = 256
# In place of a picture that was not made.
NOTHING = "#d8d8d4"


def recipe_table(
    target: Annotated[str, typer.Argument(help="Class label or index.")],
    recipe: Annotated[
        list[str] | None, typer.Option("--recipe", help="Only these; as often as needed; see `convscope recipes`.")
    ] = None,
    model: ModelName = DEFAULT_MODEL,
    prior: PriorName = None,
    parameter: RecipeTexts = None,
    steps: Steps = None,
    seed: Seed = None,
    priority: Priority = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The sheet (.png, .jpg, .webp).")] = Path(
        "recipes.png"
    ),
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Make the picture of one class by every recipe: a row of the sheet for each paper, its variants side by side."""
    parameters = overrides(parameter, steps=steps, seed=seed)
    check_picture_destination(output)
    check_folder(output)
    with connect(server, timeout) as client:
        wanted = _chosen(client.recipes(), recipe)
        chosen = wanted if recipe or prior is not None else _without_codes(wanted, parameters)
        how = {"model": model, "target": to_class_name(target), "priority": priority}
        begun = _begin(client, chosen, prior, parameters, **how)
        for one in wanted:
            if one not in chosen:
                print(f"{one.name}: left out, for it needs a --prior", flush=True)
        made = interruptible(client, begun, lambda: _finish(chosen, begun))
    height = max(picture.height for one in made if one is not None for picture in one.images)
    rows: dict[str, list[Tile]] = {}
    for one, synthesis in zip(chosen, made, strict=True):
        rows.setdefault(one.system, [Tile(_heading(one, min(height, LARGEST)))]).extend(_tiles(one, synthesis))
    sheet_of(list(rows.values()), largest=LARGEST).save(output)
    print(f"-> {output}")
    if None in made:
        raise typer.Exit(1)


def _chosen(known: Sequence[Recipe], names: Sequence[str] | None) -> list[Recipe]:
    """In the order of their years. Raises InvalidArgument for a name that is not known."""
    possible = {recipe.name: recipe for recipe in known if recipe.purpose == "visualization"}
    for name in names or ():
        if name not in possible:
            message = f"unknown recipe {name!r}; known: {', '.join(possible)}"
            raise InvalidArgument(message, field="recipe", reason="UNKNOWN_RECIPE")
    return [recipe for recipe in possible.values() if not names or recipe.name in names]


def _without_codes(recipes: list[Recipe], parameters: Mapping[str, Any]) -> list[Recipe]:
    """Those that need no prior, unless all do, which the server then tells."""
    kept = [recipe for recipe in recipes if not _of_codes(recipe, parameters)]
    return kept or recipes


def _of_codes(recipe: Recipe, parameters: Mapping[str, Any]) -> bool:
    return {**recipe.parameters, **parameters}.get("parameterization") == "code"


def _begin(
    client: Client, recipes: Sequence[Recipe], prior: str | None, parameters: Mapping[str, Any], **how: Any
) -> list[Job]:
    """A job for each recipe, or none at all. prior: of those that make pictures of codes; others take none."""
    begun: list[Job] = []
    try:
        for recipe in recipes:
            named = prior if _of_codes(recipe, parameters) else None
            begun.append(client.visualize_class(recipe=recipe.name, prior=named, **how, **parameters))
    except ClientError:
        for job in begun:
            job.cancel()
        raise
    return begun


def _finish(recipes: Sequence[Recipe], jobs: Sequence[Job]) -> list[Synthesis | None]:
    """What each has made; None for one that was not to be made. Raises why the first was not, where none was."""
    made: list[Synthesis | None] = []
    for recipe, job in zip(recipes, jobs, strict=True):
        follow(job)
        info = job.info()
        made.append(job.result(parts=["images"]) if info.state == "succeeded" else None)
        ended = f"{info.state}: {info.error}" if info.error else info.state
        print(f"{recipe.name}: {made[-1] or ended}", flush=True)
    if not any(made):
        jobs[0].result(parts=())
    return made


def _tiles(recipe: Recipe, synthesis: Synthesis | None) -> list[Tile]:
    additions = ", ".join(one.replace("_", " ") for one in recipe.additions) or "not regularized"
    if synthesis is None:
        return [Tile(Image.new("RGB", (LARGEST, LARGEST), NOTHING), f"{recipe.name}: none", additions)]
    return [
        Tile(picture, f"{recipe.name} {made.probability:.2f}", additions)
        for picture, made in zip(synthesis.images, synthesis.made, strict=True)
    ]


def _heading(recipe: Recipe, height: int) -> Image.Image:
    """Of a row: who, and what they called it."""
    words = "\n".join(textwrap.wrap(recipe.source, 30))
    heading = Image.new("RGB", (LARGEST, height), PAPER)
    draw = ImageDraw.Draw(heading)
    # Pillow's own font has no such letter.
    draw.text((0, 0), recipe.system.replace("Ø", "O"), INK, ImageFont.load_default(18))
    draw.multiline_text((0, 30), words, FAINT, ImageFont.load_default(15))
    return heading

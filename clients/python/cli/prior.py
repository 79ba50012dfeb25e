"""convscope prior train, list, show: learned priors."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from convscope.client.cli.collection_name import CollectionName
from convscope.client.cli.collection_work import check_result_folder, finish_or_detach
from convscope.client.cli.connection import AsJson, ModelName, Server, Timeout, connect
from convscope.client.cli.job_options import Detach, Priority
from convscope.client.collection_info import in_number
from convscope.client.prior import PriorInfo

WIDEST = 200

app = typer.Typer(
    help="Learned priors: what pictures look like to a layer, for recipes that make pictures of codes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("train")
def train(
    name: CollectionName,
    model: ModelName,
    layer: Annotated[str, typer.Option("--layer", help="Whose output is the code; see `convscope layers`.")],
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="tiny or small, a quarter of an hour on a core; or standard, a day on a GPU."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Of the optimizers; default: the preset's.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Pictures of a step; default: the preset's.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Of the optimizers, over 0 to 1.")] = None,
    pixel_weight: Annotated[
        float | None, typer.Option("--pixel-weight", help="Of the squared distance of pictures.")
    ] = None,
    feature_weight: Annotated[
        float | None, typer.Option("--feature-weight", help="Of the squared distance of codes.")
    ] = None,
    adversarial_weight: Annotated[
        float | None, typer.Option("--adversarial-weight", help="Of a discriminator's judgement; 0: there is none.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", help="At most, that is learned to be taken off codes; in deviations.")
    ] = None,
    generator_noise: Annotated[
        float | None, typer.Option("--generator-noise", help="The same of the codes that pictures are made of.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of all that is random; the same gives the same prior.")
    ] = None,
    priority: Priority = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for samples of its pictures, and for its file.")
    ] = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Learn from a collection what pictures look like to a layer. The prior is kept until its job is deleted."""
    check_result_folder(output)
    with connect(server, timeout) as client:
        job = client.train_prior(
            name,
            model=model,
            layer=layer,
            preset=preset,
            steps=steps,
            batch=batch,
            rate=rate,
            pixel_weight=pixel_weight,
            feature_weight=feature_weight,
            adversarial_weight=adversarial_weight,
            noise=noise,
            generator_noise=generator_noise,
            seed=seed,
            priority=priority,
        )
        finish_or_detach(client, job, detach, output)


@app.command("list")
def list_priors(as_json: AsJson = False, server: Server = None, timeout: Timeout = None) -> None:
    """List priors: those that ship, then those that were trained, the newest first."""
    with connect(server, timeout) as client:
        found = client.priors()
    if as_json:
        print(json.dumps([asdict(prior) for prior in found], default=datetime.isoformat))
    else:
        # A pipe has no width, and a name that is cut off is of no use.
        Console(width=None if sys.stdout.isatty() else WIDEST).print(_table(found))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A prior's name, with priors/ or without.")],
    as_json: AsJson = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Tell what a prior is of, how it was trained and how good it is."""
    with connect(server, timeout) as client:
        prior = client.prior(name)
    if as_json:
        print(json.dumps(asdict(prior), default=datetime.isoformat))
        return
    print(prior)
    print(f"code: {_sides(prior.code_shape)}; errors measured on {in_number(prior.held_out_count, 'other image')}")
    print(f"trained with {', '.join(f'{name} {value}' for name, value in prior.training.items()) or 'nothing said'}")
    print(f"from {prior.collection}, in {prior.file}" if prior.file else "ships with convscope")


def _table(found: list[PriorInfo]) -> Table:
    titles = ("prior", "model", "layer", "code", "pictures", "images", "pixels", "features", "denoising", "created")
    table = Table(*(Column(title, no_wrap=True) for title in titles), box=None, pad_edge=False)
    for prior in found:
        table.add_row(
            *map(Text, (prior.name, prior.model, prior.layer, _sides(prior.code_shape))),
            f"{prior.width} x {prior.height}",
            str(prior.image_count),
            f"{prior.pixel_error:.3f}",
            f"{prior.feature_error:.2f}",
            f"{prior.denoising_error:.2f}",
            f"{prior.created.astimezone():%Y-%m-%d %H:%M:%S}" if prior.created else "",
        )
    return table


def _sides(shape: tuple[int, ...]) -> str:
    """512 x 7 x 7; of a vector its length alone."""
    return " x ".join(map(str, shape if shape[1:] != (1, 1) else shape[:1]))

"""convscope: the command and what all its subcommands share."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from convscope.client.cli import (
    activations,
    adversarial,
    analyze_failure,
    answer,
    attribute,
    caption,
    classify,
    collection,
    compare,
    config,
    demo,
    dream,
    embed,
    evaluate,
    filters,
    fool,
    invert,
    jobs,
    models,
    prior,
    recipe_table,
    recipes,
    serve,
    visualize_channel,
    visualize_class,
)
from convscope.client.errors import ClientError, Unavailable
from convscope.client.settings import fault

app = typer.Typer(
    name="convscope",
    help="See what a convolutional network has learned, and why it answered as it did.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("attribute")(attribute.attribute)
app.command("compare")(compare.compare)
app.command("analyze-failure")(analyze_failure.analyze_failure)
app.command("classify")(classify.classify)
app.command("caption")(caption.caption)
app.command("answer")(answer.answer)
app.command("filters")(filters.filters)
app.command("activations")(activations.activations)
app.command("embed")(embed.embed)
app.command("visualize-class")(visualize_class.visualize_class)
app.command("visualize-channel")(visualize_channel.visualize_channel)
app.command("dream")(dream.dream)
app.command("invert")(invert.invert)
app.command("adversarial")(adversarial.adversarial)
app.command("fool")(fool.fool)
app.command("recipes")(recipes.recipes)
app.command("recipe-table")(recipe_table.recipe_table)
app.add_typer(prior.app, name="prior")
app.add_typer(collection.app, name="collection")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(jobs.app, name="jobs")
app.command("models")(models.models)
app.command("layers")(models.layers)
app.command("load")(models.load)
app.command("unload")(models.unload)
app.command("serve", context_settings=serve.PASS_ON)(serve.serve)
app.command("worker", context_settings=serve.PASS_ON_ALL)(serve.worker)
app.command("web", context_settings=serve.PASS_ON_ALL)(serve.web)
app.command("up", context_settings=serve.PASS_ON_ALL)(serve.up)
app.command("config")(config.config)
app.command("demo")(demo.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"convscope {version('convscope')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before any command."""


def main() -> None:
    """Run the command; an error is one sentence on standard error and exit status 1."""
    try:
        app()
    except ClientError as error:
        hint = "; start one with `convscope up`, or name one with --server" if _unreachable(error) else ""
        where = f"{error.field}: " if error.field and not error.message.startswith(error.field) else ""
        sys.exit(_say(f"{where}{error.message}{hint}"))
    except ValidationError as error:
        sys.exit(_say(fault(error)))
    except OSError as error:
        sys.exit(_say(str(error)))


def _unreachable(error: ClientError) -> bool:
    return isinstance(error, Unavailable) and not error.reason


def _say(message: str) -> int:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]error:[/]", end=" ")
    console.print(message, markup=False)
    return 1

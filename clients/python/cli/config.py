"""convscope config: what a program would be told if it were started now, and by what."""

from importlib import import_module
from typing import Annotated

import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from rich.console import Console
from rich.table import Table

from convscope.client.cli.serve import require

# Program to where its settings are, what only its extra installs, and the extra.
PROGRAMS = {
    "client": ("convscope.client.settings:ClientSettings", "pydantic_settings", ""),
    "attribution": ("convscope.services.attribution.settings:AttributionSettings", "structlog", "server"),
    "jobs": ("convscope.services.jobs.settings:JobsSettings", "structlog", "jobs"),
    "all": ("convscope.services.all_in_one.settings:AllSettings", "structlog", "server"),
    "worker": ("convscope.workers.settings:WorkerSettings", "structlog", "worker"),
    "web": ("convscope.web.settings:WebSettings", "gradio", "web"),
    "up": ("convscope.services.local.settings:LocalSettings", "structlog", "local"),
}
HIDDEN = "(hidden)"


def config(
    program: Annotated[str, typer.Argument(help=f"One of: {', '.join(PROGRAMS)}.")] = "client",
) -> None:
    """Print a program's settings, and which come from the environment; secrets are hidden."""
    if program not in PROGRAMS:
        raise typer.BadParameter(f"unknown program {program!r}; known: {', '.join(PROGRAMS)}", param_hint="PROGRAM")
    where, needs, extra = PROGRAMS[program]
    require(needs, extra)
    module, _, name = where.partition(":")
    settings: BaseSettings = getattr(import_module(module), name)()
    table = Table(box=None)
    for title in ("variable", "value", "from", "what it is"):
        table.add_column(title, overflow="fold")
    for field, told in type(settings).model_fields.items():
        variable = f"{type(settings).model_config['env_prefix']}{field.upper()}"
        source = "environment" if field in settings.model_fields_set else "default"
        value = getattr(settings, field)
        secret = isinstance(value, SecretStr) or not told.repr
        shown = HIDDEN if secret and source == "environment" else _shown(value)
        table.add_row(variable, shown, source, " ".join((told.description or "").split()))
    Console(soft_wrap=True).print(table)


def _shown(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()  # a default: there is nothing to hide
        case None:
            return ""
        case tuple():
            return ",".join(map(str, value))
        case bool():
            return str(value).lower()
    return str(value)

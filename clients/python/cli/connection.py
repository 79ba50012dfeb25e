"""The options by which every command finds its cluster."""

from typing import Annotated

import typer

from convscope.client.channel import Tls
from convscope.client.client import DEFAULT_TIMEOUT, Client
from convscope.client.settings import ClientSettings

Server = Annotated[str | None, typer.Option("--server", help="host:port of the cluster [CONVSCOPE_SERVER].")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, help="Seconds that a call may take [CONVSCOPE_TIMEOUT].")
]
ModelName = Annotated[str, typer.Option("--model", "-m", help="A model of the catalogue; see `convscope models`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_MODEL = "efficientnet_lite0"


def connect(server: str | None, timeout: float | None) -> Client:
    """A client by options first, environment second. The token comes from CONVSCOPE_TOKEN only."""
    settings = ClientSettings()
    return Client.connect(
        server or settings.server,
        token=settings.token.get_secret_value() or None,
        tls=Tls(ca=settings.tls_ca) if settings.tls_ca else None,
        timeout=timeout or settings.timeout or DEFAULT_TIMEOUT,
    )


def long_timeout(timeout: float | None) -> float | None:
    """Seconds that a long method may take, by option first, environment second; None: what the SDK allows it."""
    return timeout or ClientSettings().timeout

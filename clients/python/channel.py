"""The way to a cluster: target, encryption, token, retries."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio

from convscope.client.errors import InvalidArgument

# Retries are gRPC's own: UNAVAILABLE only, so that nothing is asked twice that may have been done (AIP-194).
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
LARGEST_RETRIED = 64 * 1024 * 1024
OPTIONS: Sequence[tuple[str, str | int]] = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A call is tried again only as long as all of it is kept; gRPC's own 256 KB are less than most photographs.
    ("grpc.per_rpc_retry_buffer_size", LARGEST_RETRIED),
    # A server that comes back is found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 300_000),
)


@dataclass(frozen=True)
class Tls:
    """How calls are encrypted."""

    ca: Path | str | None = None
    """PEM bundle that signed the server's certificate; None: the system's."""
    certificate: Path | str | None = None
    """PEM chain of the client, where the server asks for one."""
    key: Path | str | None = None
    """PEM key of the client."""


def open_channel(target: str, tls: Tls | None) -> grpc.Channel:
    """A channel for Client. Raises OSError where a PEM file cannot be read."""
    if tls is None:
        return grpc.insecure_channel(target, options=OPTIONS)
    return grpc.secure_channel(target, _credentials(tls), options=OPTIONS)


def open_async_channel(target: str, tls: Tls | None) -> grpc.aio.Channel:
    """A channel for AsyncClient. Raises OSError where a PEM file cannot be read."""
    if tls is None:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    return grpc.aio.secure_channel(target, _credentials(tls), options=OPTIONS)


def authorization(token: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata that says who calls. Raises InvalidArgument for a token that cannot be sent."""
    if token and not (token.isascii() and token.isprintable()):
        # gRPC would raise an error that holds the token.
        message = "the token has a line break or another character that cannot be sent"
        raise InvalidArgument(message, field="token", reason="TOKEN_UNUSABLE")
    return (("authorization", f"Bearer {token}"),) if token else ()


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    def read(path: Path | str | None) -> bytes | None:
        return Path(path).read_bytes() if path is not None else None

    return grpc.ssl_channel_credentials(read(tls.ca), read(tls.key), read(tls.certificate))

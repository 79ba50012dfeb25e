"""Where the cluster is, from the environment (CONVSCOPE_*)."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ClientSettings(BaseSettings):
    """What the SDK and the command line talk to."""

    model_config = SettingsConfigDict(env_prefix="CONVSCOPE_", extra="ignore")

    server: str = "localhost:50051"
    """host:port, or any target that gRPC understands (dns:///...)."""
    token: SecretStr = SecretStr("")
    """Sent with every call; empty: none."""
    tls_ca: Path | None = None
    """PEM bundle that signed the server's certificate; set: calls are encrypted."""
    timeout: float | None = None
    """Seconds that a call may take; unset: what the SDK allows each call."""

"""Where the cluster is, from the environment (CONVSCOPE_*)."""

from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from convscope.client.channel import Tls
from convscope.client.client import DEFAULT_TIMEOUT
from convscope.client.errors import InvalidArgument


class ClientSettings(BaseSettings):
    """What the SDK and the command line talk to."""

    model_config = SettingsConfigDict(env_prefix="CONVSCOPE_", extra="ignore")

    server: str = "localhost:50051"
    """host:port, or any target that gRPC understands (dns:///...)."""
    token: SecretStr = SecretStr("")
    """Sent with every call; empty: none."""
    token_file: Path | None = None
    """A file with the token, instead of `token`."""
    tls_ca: Path | None = None
    """PEM bundle that signed the server's certificate; set: calls are encrypted."""
    timeout: float | None = None
    """Seconds that a call may take; unset: what the SDK allows each call."""

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        if self.token_file is not None and self.token.get_secret_value():
            raise ValueError("token and token_file name the same thing; give one")
        return self

    def connection(self) -> dict[str, Any]:
        """What connect() of either client takes besides the target. Raises InvalidArgument for a file that has no
        token."""
        return {
            "token": self._secret() or None,
            "tls": Tls(ca=self.tls_ca) if self.tls_ca else None,
            "timeout": self.timeout or DEFAULT_TIMEOUT,
        }

    def _secret(self) -> str:
        if self.token_file is None:
            return self.token.get_secret_value()
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            message = f"the token file {self.token_file} cannot be read: {error}"
            raise InvalidArgument(message, field="token_file", reason="TOKEN_FILE_UNREADABLE") from error
        if not token:
            message = f"the token file {self.token_file} is empty"
            raise InvalidArgument(message, field="token_file", reason="TOKEN_FILE_UNREADABLE")
        return token

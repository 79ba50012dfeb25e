"""Where the cluster is, from the environment (CONVSCOPE_*)."""

from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from convscope.client.channel import Tls, authorization
from convscope.client.client import DEFAULT_TIMEOUT
from convscope.client.errors import InvalidArgument


def fault(error: ValidationError) -> str:
    """The first thing that is wrong with settings, with the variable's name and not with what it holds."""
    first = error.errors(include_input=False)[0]
    name = f"CONVSCOPE_{'_'.join(map(str, first['loc'])).upper()}: " if first["loc"] else ""
    return name + first["msg"].removeprefix("Value error, ")


class ClientSettings(BaseSettings):
    """What the SDK and the command line talk to."""

    model_config = SettingsConfigDict(env_prefix="CONVSCOPE_", extra="ignore", use_attribute_docstrings=True)

    server: str = "localhost:50051"
    """host:port, or any target that gRPC understands (dns:///...)."""
    token: SecretStr = SecretStr("")
    """Sent with every call; empty: none."""
    token_file: Path | None = None
    """A file with the token, instead of `token`."""
    tls_ca: Path | None = None
    """PEM bundle that signed the server's certificate; set: calls are encrypted."""
    tls_certificate: Path | None = None
    """PEM chain to show to a server that asks for one; with `tls_key`."""
    tls_key: Path | None = None
    """PEM key of that chain."""
    timeout: float | None = None
    """Seconds that a call may take; unset: what the SDK allows each call."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.token_file is not None and self.token.get_secret_value():
            raise ValueError("token and token_file name the same thing; give one")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self

    def connection(self) -> dict[str, Any]:
        """What connect() of either client takes besides the target. Raises InvalidArgument for a file that has no
        token, and for a token that cannot be sent."""
        token = self._secret()
        authorization(token)
        return {
            "token": token or None,
            "tls": Tls(self.tls_ca, self.tls_certificate, self.tls_key) if self.tls_ca else None,
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

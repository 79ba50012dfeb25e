"""What every server can be told, by environment (CONVSCOPE_*) or on its command line."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65535)]


def _split(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


ImportRoots = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """How every program of ours is told things."""

    model_config = SettingsConfigDict(
        env_prefix="CONVSCOPE_",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )


def fault(error: ValidationError) -> str:
    """The first thing that is wrong with settings, with the setting's name."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'settings'}: {first['msg'].removeprefix('Value error, ')}"


class ServerSettings(Settings):
    """Settings of every server."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""
    port: Port = 50051
    """Port to listen on; 0 for any free one."""
    metrics_port: Port = 0
    """Port of the Prometheus page /metrics; 0: none."""
    redis_url: str = ""
    """The store, redis://host:port/db; empty: none."""
    token: SecretStr = SecretStr("")
    """Callers must send it (authorization: Bearer TOKEN); empty: anybody may call."""
    token_file: Path | None = None
    """A file with the token, instead of `token`."""
    callers_file: Path | None = None
    """A TOML file of callers with tokens and quotas of their own, instead of one token for all."""
    tls_certificate: Path | None = None
    """PEM chain of the server; with `tls_key`, calls are encrypted."""
    tls_key: Path | None = None
    """PEM key of the server."""
    tls_client_ca: Path | None = None
    """PEM bundle; callers must show a certificate that it signed."""
    max_message_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Largest message taken from a caller, bytes."""
    max_connection_age: Annotated[float, Field(ge=0)] = 0
    """Seconds until a connection is asked to come again, so that new replicas get calls; 0: never."""
    drain_delay: Annotated[float, Field(ge=0)] = 0
    """Seconds between turning unhealthy and refusing calls on SIGTERM: the time that load balancers need to notice."""
    drain_grace: Annotated[float, Field(ge=0)] = 30
    """Seconds that accepted calls may take to finish on SIGTERM."""
    log_format: Literal["console", "json"] = "console"
    """How log lines are written."""

    @model_validator(mode="after")
    def _check_callers(self) -> Self:
        if self.callers_file is not None and (self.token_file is not None or self.token.get_secret_value()):
            raise ValueError("callers_file names the tokens; token and token_file do not go with it")
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self

    def secret(self) -> str:
        """The token in force; empty where anybody may call. Raises OSError where its file has none."""
        if self.token_file is None:
            return self.token.get_secret_value()
        token = self.token_file.read_text(encoding="utf-8").strip()
        if not token:
            raise OSError(f"the token file {self.token_file} is empty")
        return token

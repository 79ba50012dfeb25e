"""What every server can be told, by environment (CONVSCOPE_*) or on its command line."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from convscope.services.common.errors import StoreMisnamed
from convscope.services.common.store_address import StoreAddress
from convscope.services.common.telemetry.logs import LogFormat, LogLevel

Port = Annotated[int, Field(ge=0, le=65535)]
LOCAL_STORE = "redis://127.0.0.1:6379/0"
"""Where jobs servers and workers look for it when nobody says."""


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


def read_secret(path: Path, what: str) -> str:
    """What a file holds, without the line break that editors leave. Raises OSError where it holds nothing."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except ValueError as error:
        raise OSError(f"the {what} file {path} is no text: {error}") from None
    if not text:
        raise OSError(f"the {what} file {path} is empty")
    return text


class StoreSettings(Settings):
    """How a program is told of the store."""

    redis_url: str = Field("", repr=False)
    """The store, redis://host:port/db, or rediss:// where it is encrypted; empty: none."""
    redis_url_file: Path | None = None
    """A file with the store's address, instead of `redis_url`: the password in it is then in no environment."""
    redis_tls_ca: Path | None = None
    """PEM bundle that signed the store's certificate; default: the system's authorities."""
    redis_tls_certificate: Path | None = None
    """PEM chain to show to the store; with `redis_tls_key`."""
    redis_tls_key: Path | None = None
    """PEM key of that chain."""

    @model_validator(mode="after")
    def _check_store(self) -> Self:
        if self.redis_url_file is not None and "redis_url" in self.model_fields_set and self.redis_url:
            raise ValueError("redis_url and redis_url_file name the same thing; give one")
        return self

    def store(self) -> StoreAddress:
        """The store. Raises StoreMisnamed for an address that is none and for files that cannot be read."""
        try:
            url = self.redis_url if self.redis_url_file is None else read_secret(self.redis_url_file, "redis_url")
        except OSError as error:
            raise StoreMisnamed(f"redis_url_file: {error}") from None
        return StoreAddress(url, self.redis_tls_ca, self.redis_tls_certificate, self.redis_tls_key)

    @property
    def has_store(self) -> bool:
        return bool(self.redis_url) or self.redis_url_file is not None


class ServerSettings(StoreSettings):
    """Settings of every server."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""
    port: Port = 50051
    """Port to listen on; 0 for any free one."""
    metrics_port: Port = 0
    """Port of the Prometheus page /metrics; 0: none."""
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
    log_format: LogFormat = "console"
    """How log lines are written."""
    log_level: LogLevel = "info"
    """The least that is logged; every call is at info."""
    traces_endpoint: str = ""
    """OTLP collector that traces are sent to by gRPC, http://host:4317; empty: none. Needs the extra `traces`."""

    @model_validator(mode="after")
    def _check_callers(self) -> Self:
        if self.callers_file is not None and (self.token_file is not None or self.token.get_secret_value()):
            raise ValueError("callers_file names the tokens; token and token_file do not go with it")
        if self.token_file is not None and self.token.get_secret_value():
            raise ValueError("token and token_file name the same thing; give one")
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
        return self.token.get_secret_value() if self.token_file is None else read_secret(self.token_file, "token")

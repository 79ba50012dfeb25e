"""What a local cluster can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from convscope.services.common.places import data_default
from convscope.services.common.settings import Port, Settings


class LocalSettings(Settings):
    """Settings of a local cluster: environment variables CONVSCOPE_*, or options. Its servers read the same
    environment, so that everything they can be told is told there."""

    model_config = SettingsConfigDict(cli_prog_name="convscope up")

    data_dir: Path = Field(default_factory=data_default)
    """Folder of the store's data, of the jobs' files and of the logs."""
    host: str = "127.0.0.1"
    """Address that the servers listen on."""
    port: Port = 50051
    """Port of the gRPC services; 0: any free one."""
    metrics_port: Port = 0
    """Port of the Prometheus page; 0: any free one."""
    store_port: Port = 0
    """Port of the store, on loopback only; 0: any free one."""
    web: bool = True
    """Whether to serve the page too."""
    web_port: Port = 7860
    """Port of the page; 0: any free one."""
    models: str | None = None
    """Models to load at the start, comma-separated."""
    catalogue: Path | None = None
    """TOML file of the models."""
    with_parent: bool = False
    """Whether to end when the process that started it does, however that ends (Linux)."""
    start_timeout: Annotated[float, Field(gt=0)] = 300
    """Seconds until every server must be ready."""
    stop_timeout: Annotated[float, Field(gt=0)] = 40
    """Seconds that the servers may take to finish their calls."""

"""What the attribution server can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from convscope.engine.imaging.decode import MAX_PIXELS
from convscope.services.common.cores import cores
from convscope.services.common.places import artifacts_default
from convscope.services.common.settings import ServerSettings


class AttributionSettings(ServerSettings):
    """Settings of the attribution server: environment variables CONVSCOPE_*, or options."""

    model_config = SettingsConfigDict(cli_prog_name="convscope serve attribution")

    catalogue: Path | None = None
    """TOML file of the models; default: convscope's own list."""
    models: Annotated[tuple[str, ...], NoDecode] = ("efficientnet_lite0",)
    """Models to load at the start, comma-separated; `all` for the whole catalogue."""
    device: str = "auto"
    """Where models compute: cpu, cuda, cuda:1; auto takes a GPU where there is one."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What networks compute in where a request does not say; answers name it."""
    threads: Annotated[int, Field(ge=1)] = cores()
    """Threads of one operator on the CPU; default: the cores that the process may use."""
    decoders: Annotated[int, Field(ge=1)] = cores()
    """Pictures decoded at once; default: the same."""
    queue_limit: Annotated[int, Field(ge=1)] = 64
    """Calls in work at once, waiting ones included; more are refused with RESOURCE_EXHAUSTED."""
    stream_limit: Annotated[int, Field(ge=1)] = 16
    """AttributeStream calls open at once."""
    max_batch: Annotated[int, Field(ge=1)] = 16
    """Most pictures in one pass; lowered by itself where the memory does not carry it."""
    max_wait_ms: Annotated[float, Field(ge=0)] = 0
    """How long a batch may wait for company, milliseconds."""
    max_image_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    """Largest picture, width times height."""
    artifacts_url: str = Field(default_factory=artifacts_default)
    """Where the files of jobs and collections lie, an fsspec URL: file:///folder, s3://bucket/folder."""
    cache_seconds: Annotated[int, Field(ge=0)] = 3600
    """How long answers are kept in the store; 0: not at all."""
    replica: str = ""
    """Name of this replica among those that share the store; default: host name and process."""

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

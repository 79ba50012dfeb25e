"""What a worker can be told."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from convscope.engine.imaging.decode import MAX_PIXELS
from convscope.services.common.cores import cores
from convscope.services.common.jobs.kinds import KINDS
from convscope.services.common.places import artifacts_default
from convscope.services.common.settings import LOCAL_STORE, ImportRoots, Port, StoreSettings
from convscope.services.common.telemetry.logs import LogFormat, LogLevel

GIB = 1 << 30
NVIDIA = Path("/proc/driver/nvidia/gpus")


class WorkerSettings(StoreSettings):
    """Settings of a worker: environment variables CONVSCOPE_*, or options."""

    model_config = SettingsConfigDict(cli_prog_name="convscope worker")

    redis_url: Annotated[str, Field(min_length=1, repr=False)] = LOCAL_STORE
    """The store, redis://host:port/db, or rediss:// where it is encrypted."""
    artifacts_url: str = Field(default_factory=artifacts_default)
    """Where the files of jobs lie, an fsspec URL: file:///folder, s3://bucket/folder."""
    catalogue: Path | None = None
    """TOML file of the models; default: convscope's own list."""
    models: Annotated[tuple[str, ...], NoDecode] = ()
    """Models to load at the start, comma-separated; others are loaded when a job asks for them."""
    kinds: Annotated[tuple[str, ...], NoDecode] = KINDS
    """Kinds of work to take, comma-separated."""
    device: str = "auto"
    """Where models compute: cpu, cuda; auto takes the GPUs where there are any, one for each child."""
    concurrency: Annotated[int, Field(ge=0)] = 0
    """Jobs at once, each in a child of its own; 0: one a GPU, else one."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of one operator on the CPU in each child; 0: the cores, shared out among the children."""
    model_memory: Annotated[int, Field(ge=0)] = 4 * GIB
    """Bytes of weights that a child keeps for the next job; the model in work is always kept."""
    lease_seconds: Annotated[float, Field(ge=0.5)] = 5
    """A worker that has not been heard of for so long loses its job to another one."""
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 5
    """Seconds between checkpoints."""
    import_roots: ImportRoots = ()
    """URLs below which images may be read, comma-separated; empty: none."""
    max_image_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    """Largest picture of a collection, width times height."""
    job_seconds: Annotated[int, Field(ge=1)] = 6 * 3600
    """Seconds that one attempt at a job may take."""
    heartbeat_file: Path | None = None
    """Touched every second while the worker takes jobs; `python -m convscope.workers.probe` looks at it."""
    metrics_port: Port = 0
    """Port of the Prometheus page /metrics; 0: none."""
    host: str = "127.0.0.1"
    """Address of that page; 0.0.0.0 for every interface."""
    log_format: LogFormat = "console"
    """How log lines are written."""
    log_level: LogLevel = "info"
    """The least that is logged."""
    traces_endpoint: str = ""
    """OTLP collector that traces are sent to by gRPC, http://host:4317; empty: none. Needs the extra `traces`."""

    @field_validator("models", "kinds", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        unknown = set(kinds) - set(KINDS)
        if unknown or not kinds:
            raise ValueError(f"the kinds are {', '.join(KINDS)}")
        return kinds

    @property
    def gpus(self) -> int:
        """GPUs of this machine, counted without waking CUDA, which must not be there before the children are."""
        if self.device == "cpu":
            return 0
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            return len([name for name in visible.split(",") if name and name != "-1"])
        return len(list(NVIDIA.iterdir())) if NVIDIA.is_dir() else 0

    @property
    def children(self) -> int:
        """Children to start."""
        return self.concurrency or max(1, self.gpus)

    @property
    def threads_each(self) -> int:
        """Threads of one operator in each child."""
        return self.threads or max(1, cores() // self.children)

    def device_of(self, child: int) -> str:
        """Where the models of a child compute; children are numbered from 0."""
        if self.device == "auto":
            return f"cuda:{child % self.gpus}" if self.gpus else "cpu"
        return f"cuda:{child % max(1, self.gpus)}" if self.device == "cuda" else self.device

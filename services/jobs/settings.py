"""What the jobs server can be told."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from convscope.engine.imaging.decode import MAX_PIXELS
from convscope.services.common.places import artifacts_default
from convscope.services.common.settings import LOCAL_STORE, ImportRoots, Port, ServerSettings

DAY = 24 * 3600.0


class JobsSettings(ServerSettings):
    """Settings of the jobs server: environment variables CONVSCOPE_*, or options."""

    model_config = SettingsConfigDict(cli_prog_name="convscope serve jobs")

    port: Port = 50052
    """Port to listen on; 0 for any free one."""
    redis_url: Annotated[str, Field(min_length=1, repr=False)] = LOCAL_STORE
    """The store, redis://host:port/db, or rediss:// where it is encrypted; it has to keep what it is told."""
    artifacts_url: str = Field(default_factory=artifacts_default)
    """Where the files of jobs lie, an fsspec URL: file:///folder, s3://bucket/folder."""
    index_part: Annotated[int, Field(ge=1)] = 256
    """Images of a collection that a worker scans at a time; one that is killed costs so many at most."""
    evaluation_part: Annotated[int, Field(ge=1)] = 8
    """Examples of an evaluation that a worker measures at a time; one that is killed costs so many at most."""
    import_roots: ImportRoots = ()
    """URLs below which workers may read images, comma-separated; empty: none. Workers must be told the same."""
    max_queued_jobs: Annotated[int, Field(ge=1)] = 10_000
    """Jobs that may wait at once."""
    max_queued_jobs_per_caller: Annotated[int, Field(ge=1)] = 1_000
    """Jobs of one caller (client certificate, else address) that may wait at once."""
    max_attempts: Annotated[int, Field(ge=1)] = 3
    """How often a job is begun before it is given up."""
    max_steps: Annotated[int, Field(ge=1)] = 10_000
    """Most steps of one job."""
    max_training_steps: Annotated[int, Field(ge=1)] = 1_000_000
    """Most steps of the training of a prior."""
    max_training_images: Annotated[int, Field(ge=1)] = 100_000
    """Most pictures that a prior is learned from; a worker keeps them on its disk as the model sees them."""
    max_targets: Annotated[int, Field(ge=1)] = 64
    """Most pictures of one job."""
    max_image_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    """Largest picture, width times height."""
    retention: Annotated[float, Field(gt=0)] = 7 * DAY
    """Seconds for which a job and its files are kept once it has ended."""
    queue_limit: Annotated[int, Field(ge=1)] = 64
    """Calls in work at once; more are refused with RESOURCE_EXHAUSTED."""
    watch_limit: Annotated[int, Field(ge=1)] = 128
    """Watches, waits and downloads open at once."""

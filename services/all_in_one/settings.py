"""What a server of everything can be told."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from convscope.services.attribution.settings import AttributionSettings
from convscope.services.common.settings import LOCAL_STORE, Port
from convscope.services.jobs.settings import JobsSettings


class AllSettings(AttributionSettings, JobsSettings):
    """Settings of a server of everything: environment variables CONVSCOPE_*, or options."""

    model_config = SettingsConfigDict(cli_prog_name="convscope serve all")

    port: Port = 50051
    """Port to listen on; 0 for any free one."""
    # As of the jobs server: pydantic would take the other one's default.
    redis_url: Annotated[str, Field(min_length=1, repr=False)] = LOCAL_STORE
    """The store, redis://host:port/db, or rediss:// where it is encrypted; it has to keep what it is told."""

"""What a server of everything can be told."""

from pydantic_settings import SettingsConfigDict

from convscope.services.attribution.settings import AttributionSettings
from convscope.services.common.settings import Port
from convscope.services.jobs.settings import JobsSettings


class AllSettings(AttributionSettings, JobsSettings):
    """Settings of a server of everything: environment variables CONVSCOPE_*, or options."""

    model_config = SettingsConfigDict(cli_prog_name="convscope serve all")

    port: Port = 50051
    """Port to listen on; 0 for any free one."""

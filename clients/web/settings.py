"""What the page can be told."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from convscope.client.settings import ClientSettings


class WebSettings(ClientSettings):
    """Settings of the page: environment variables CONVSCOPE_*, or options."""

    model_config = SettingsConfigDict(cli_prog_name="convscope web", cli_kebab_case=True, cli_hide_none_type=True)

    host: str = "127.0.0.1"
    """Address that the page is served on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """Port of the page; 0: any free one."""

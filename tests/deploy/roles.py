"""What runs in a container: each role with its settings and its program."""

from dataclasses import dataclass
from pathlib import Path

from pydantic_settings import BaseSettings

from convscope.services.attribution.settings import AttributionSettings
from convscope.services.jobs.settings import JobsSettings
from convscope.web.settings import WebSettings
from convscope.workers.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PREFIX = "CONVSCOPE_"


@dataclass(frozen=True)
class Role:
    settings: type[BaseSettings]
    module: str
    """`python -m` it."""
    extras: tuple[str, ...]
    """What its image installs."""

    @property
    def variables(self) -> set[str]:
        """CONVSCOPE_* that it reads."""
        return {PREFIX + name.upper() for name in self.settings.model_fields}

    @property
    def port(self) -> int | None:
        """Where it listens when nobody says; None for one that nobody calls."""
        field = self.settings.model_fields.get("port")
        return None if field is None else int(field.default)


ROLES = {
    "attribution": Role(AttributionSettings, "convscope.services.attribution", ("worker", "s3", "traces")),
    "jobs": Role(JobsSettings, "convscope.services.jobs", ("jobs", "s3", "traces")),
    "worker": Role(WorkerSettings, "convscope.workers", ("worker", "s3", "traces")),
    "web": Role(WebSettings, "convscope.web", ("web",)),
}

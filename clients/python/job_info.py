"""How a job stands."""

from dataclasses import dataclass
from datetime import datetime

from convscope.client.errors import FailedPrecondition, InvalidArgument, NotFound
from convscope.client.job_events import ENDED

SYNTHESIS_KINDS = ("visualize_class", "visualize_channel", "deep_dream", "invert_features", "create_adversarial")
"""Jobs that make pictures."""
COLLECTION_KINDS = (
    "import_images",
    "index_collection",
    "project_collection",
    "evaluate_methods",
    "evaluate_attention",
    "train_prior",
)
"""Jobs on a collection."""


@dataclass(frozen=True)
class Artifact:
    """A file that a job has left."""

    name: str
    """Within the job: image-0.png, values.npy."""
    media_type: str
    """image/png, image/gif, application/json, application/octet-stream."""
    size: int
    """Bytes."""
    sha256: str
    """Of its bytes, hex."""


@dataclass(frozen=True)
class JobInfo:
    """How a job stood when the server was asked."""

    name: str
    """jobs/{job}."""
    kind: str
    """visualize_class, visualize_channel, deep_dream, invert_features, create_adversarial, import_images,
    index_collection, project_collection, evaluate_methods, evaluate_attention or train_prior."""
    model: str
    """Empty for work without one."""
    state: str
    """queued, running, succeeded, failed or cancelled."""
    priority: int
    """0 to 9; higher goes first."""
    attempts: int
    """How often a worker has begun or taken it up after another's end."""
    cancel_requested: bool
    step: int
    """Steps done; 0 before the first."""
    total: int
    """Steps in all; 0 before the first is done."""
    loss: float | None
    """What is descended, the mean over the pictures; None before the first step."""
    scores: tuple[float, ...]
    """What is ascended, for each picture."""
    error: str
    """Why it failed or, while it is not done, why the last attempt did; empty for nothing."""
    reason: str
    """The same in capitals, for programs."""
    created: datetime | None
    """When it was accepted; times are in UTC."""
    started: datetime | None
    """When a worker first began it; None before."""
    ended: datetime | None
    """When it ended; None before."""
    expires: datetime | None
    """When its record and its artifacts will be deleted; None before its end, and of a prior, which is kept."""
    artifacts: tuple[Artifact, ...]
    """The files that it has left, once it has succeeded."""
    last_event: int
    """Number of its last event: watch(after=last_event) gives only what comes."""
    correlation_id: str
    """The name by which the cluster's log lines about it say that they are."""

    @property
    def over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in ENDED

    def artifact(self, name: str) -> Artifact:
        """The file of that name, short (values.npy) or whole (jobs/{job}/artifacts/values.npy).

        Raises InvalidArgument for a file of another job, FailedPrecondition before the job has succeeded, NotFound.
        """
        prefix = f"{self.name}/artifacts/"
        short = name.removeprefix(prefix)
        if "/" in short:
            message = f"{name} is no artifact of {self.name}"
            raise InvalidArgument(message, field="name", reason="UNKNOWN_ARTIFACT")
        for one in self.artifacts:
            if one.name == short:
                return one
        if self.state != "succeeded":
            message = f"{self.name} is {self.state}; a job has artifacts once it has succeeded"
            raise FailedPrecondition(message, field="name", reason="JOB_NOT_SUCCEEDED")
        known = ", ".join(one.name for one in self.artifacts) or "none"
        message = f"unknown artifact {short!r} of {self.name}; known: {known}"
        raise NotFound(message, field="name", reason="UNKNOWN_ARTIFACT")

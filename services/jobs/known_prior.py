"""A learned prior that may be used: one that ships, or that a job has made."""

import json
from dataclasses import dataclass
from typing import Any, Self

from convscope.engine.generation.card import PriorCard
from convscope.engine.generation.shipped import shipped_header
from convscope.services.common.jobs.job import Job
from convscope.services.common.resource_names import COLLECTIONS, MODELS, PRIORS, artifact_resource
from convscope.services.jobs.times import to_time
from convscope.v1.synthesis_service_pb2 import Prior, PriorTraining

FILE = "prior.safetensors"


@dataclass(frozen=True)
class KnownPrior:
    """Its card, and where it is."""

    id: str
    card: PriorCard
    job: Job | None = None
    """That made it, and is kept as long; None: it ships."""

    @classmethod
    def shipped(cls, name: str) -> Self:
        """One of SHIPPED."""
        return cls(name, shipped_header(name).card)

    @classmethod
    def made(cls, job: Job) -> Self:
        """By a job that has succeeded."""
        return cls(job.id, PriorCard.model_validate_json(json.dumps(job.result["card"])), job)

    @property
    def order(self) -> dict[str, Any]:
        """How a worker finds it, plain JSON. path: of its file in the artifact store; None for one that ships."""
        return {"id": self.id, "path": None if self.job is None else _path(self.job)}


def to_prior(prior: KnownPrior) -> Prior:
    """As the contract has it."""
    card, job = prior.card, prior.job
    made: dict[str, Any] = {}
    if job is not None:
        file = artifact_resource(job.id, FILE)
        made = {"collection": COLLECTIONS + job.spec["collection"], "file": file, "create_time": to_time(job.ended)}
    return Prior(
        name=PRIORS + prior.id,
        model=MODELS + card.model,
        weights_digest=card.weights_digest,
        layer=card.layer,
        code_shape=card.generator.code,
        height=card.generator.height,
        width=card.generator.width,
        training=PriorTraining(**card.training.model_dump(exclude_none=True)),
        image_count=card.pictures,
        held_out_count=card.held_out,
        pixel_error=card.pixel_error,
        feature_error=card.feature_error,
        denoising_error=card.denoising_error,
        **made,
    )


def _path(job: Job) -> str:
    return next(file.path for file in job.files if file.name == FILE)

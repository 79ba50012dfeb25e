"""The part of a server of collections that trains priors, and knows them: numbers that a test foresees."""

from abc import abstractmethod
from typing import Any

import grpc
from google.rpc import code_pb2
from PIL import Image

from convscope.v1 import synthesis_service_pb2_grpc
from convscope.v1.synthesis_service_pb2 import (
    GetPriorRequest,
    GetPriorResponse,
    ListPriorsRequest,
    ListPriorsResponse,
    Prior,
    PriorTraining,
    TrainPriorRequest,
    TrainPriorResponse,
)
from tests.clients.job_stand_in import png, refuse

PAGE = 2
"""Priors in each page of their list."""
SHIPPED = Prior(
    name="priors/shapes", model="models/shapes", weights_digest="cd" * 32, layer="features.3", code_shape=[128, 1, 1],
    height=64, width=48, training=PriorTraining(preset="standard", steps=100, rate=0.5), image_count=5000,
    held_out_count=500, pixel_error=0.0625, feature_error=0.25, denoising_error=0.5,
)  # fmt: skip


class PriorStandIn(synthesis_service_pb2_grpc.SynthesisServiceServicer):
    """Begins jobs of whoever derives from it."""

    def __init__(self) -> None:
        self.priors = [SHIPPED]
        """The one that ships, then the newest first."""
        self.prior_pages: list[str] = []
        """Tokens of each ListPriors."""

    @abstractmethod
    def _begin(self, kind: str, request: Any, context: grpc.ServicerContext) -> Any:
        """The operation of a new job."""

    def trained(self, job: str, request: TrainPriorRequest, count: int) -> TrainPriorResponse:
        """On so many images, one of which is held out."""
        prior = Prior(
            name=f"priors/{job.removeprefix('jobs/')}", model=request.model, weights_digest="ab" * 32,
            layer=request.layer, code_shape=[256, 4, 4], height=64, width=64, training=request.training,
            image_count=count - 1, held_out_count=1, pixel_error=0.125, feature_error=0.5, denoising_error=0.75,
            collection=request.collection, file=f"{job}/artifacts/prior.safetensors",
        )  # fmt: skip
        prior.create_time.GetCurrentTime()
        self.priors.insert(1, prior)
        return TrainPriorResponse(prior=prior, samples=f"{job}/artifacts/samples.png")

    def TrainPrior(self, request: TrainPriorRequest, context: grpc.ServicerContext) -> Any:
        return self._begin("train_prior", request, context)

    def ListPriors(self, request: ListPriorsRequest, context: grpc.ServicerContext) -> ListPriorsResponse:
        self.prior_pages.append(request.page_token)
        start = int(request.page_token or 0)
        following = str(start + PAGE) if start + PAGE < len(self.priors) else ""
        return ListPriorsResponse(priors=self.priors[start : start + PAGE], next_page_token=following)

    def GetPrior(self, request: GetPriorRequest, context: grpc.ServicerContext) -> GetPriorResponse:
        found = next((one for one in self.priors if one.name == request.name), None)
        if found is None:
            refuse(context, code_pb2.NOT_FOUND, f"there is no {request.name}", "UNKNOWN_PRIOR", "name")
        return GetPriorResponse(prior=found)


def prior_files() -> dict[str, bytes]:
    """That a training leaves."""
    return {"prior.safetensors": b"weights" * 500, "samples.png": png(Image.new("RGB", (96, 48), "purple"))}

"""Messages about learned priors to what calls return."""

from collections.abc import Mapping

from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped,unused-ignore]

from convscope.client.collection_parse import Ending, response_of
from convscope.client.job_parse import short_name, to_time
from convscope.client.prior import SAMPLES, PriorInfo, TrainedPrior
from convscope.client.synthesis_parameters import from_parameters
from convscope.v1.synthesis_service_pb2 import Prior, TrainPriorResponse


def to_prior(message: Prior) -> PriorInfo:
    return PriorInfo(
        name=message.name.removeprefix("priors/"),
        model=message.model.removeprefix("models/"),
        weights_digest=message.weights_digest,
        layer=message.layer,
        code_shape=tuple(message.code_shape),
        height=message.height,
        width=message.width,
        training=from_parameters(message.training),
        image_count=message.image_count,
        held_out_count=message.held_out_count,
        pixel_error=message.pixel_error,
        feature_error=message.feature_error,
        denoising_error=message.denoising_error,
        collection=message.collection,
        file=message.file,
        created=to_time(message.create_time) if message.HasField("create_time") else None,
    )


def to_trained(operation: Operation) -> Ending[TrainedPrior]:
    info, response = response_of(operation, TrainPriorResponse())
    prior, samples = to_prior(response.prior), info.artifact(short_name(response.samples))

    def made(contents: Mapping[str, bytes]) -> TrainedPrior:
        return TrainedPrior(info, prior, {SAMPLES: contents[samples.name]})

    return Ending((samples,), made)

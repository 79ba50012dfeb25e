"""Every call about learned priors as a value; see plans.py."""

from convscope.client.arguments import check_finite, check_integer, check_text, under
from convscope.client.collection_info import Described
from convscope.client.collection_plans import to_collection_name
from convscope.client.job_plans import job_of, to_options
from convscope.client.plans import Plan, resource
from convscope.client.prior import PriorInfo
from convscope.client.prior_parse import to_prior
from convscope.v1.synthesis_service_pb2 import (
    GetPriorRequest,
    GetPriorResponse,
    ListPriorsRequest,
    ListPriorsResponse,
    PriorTraining,
    TrainPriorRequest,
)


def train_prior(
    collection: str | Described,
    *,
    model: str,
    layer: str,
    preset: str | None,
    steps: int | None,
    batch: int | None,
    rate: float | None,
    pixel_weight: float | None,
    feature_weight: float | None,
    adversarial_weight: float | None,
    noise: float | None,
    generator_noise: float | None,
    seed: int | None,
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument (of how it is
    trained: `training.NAME`)."""
    with under("training"):
        training = PriorTraining(
            preset=None if preset is None else check_text("preset", preset, "UNKNOWN_PRESET"),
            steps=_integer("steps", steps),
            batch=_integer("batch", batch),
            rate=_number("rate", rate),
            pixel_weight=_number("pixel_weight", pixel_weight),
            feature_weight=_number("feature_weight", feature_weight),
            adversarial_weight=_number("adversarial_weight", adversarial_weight),
            noise=_number("noise", noise),
            generator_noise=_number("generator_noise", generator_noise),
            seed=_integer("seed", seed, bits=64),
        )
    request = TrainPriorRequest(
        model=resource(model),
        layer=check_text("layer", layer, "UNKNOWN_LAYER"),
        collection=to_collection_name(collection),
        training=training if training.ListFields() else None,
        options=to_options(priority, request_id, preview_seconds=preview_seconds),
    )
    return Plan(lambda stubs: stubs.synthesis.TrainPrior, request, job_of)


def get_prior(name: str) -> Plan[PriorInfo]:
    """Raises InvalidArgument."""

    def parse(response: GetPriorResponse) -> PriorInfo:
        return to_prior(response.prior)

    request = GetPriorRequest(name=prior_resource(name, field="name"))
    return Plan(lambda stubs: stubs.synthesis.GetPrior, request, parse)


def list_priors(page_token: str) -> Plan[tuple[list[PriorInfo], str]]:
    def parse(response: ListPriorsResponse) -> tuple[list[PriorInfo], str]:
        return [to_prior(one) for one in response.priors], response.next_page_token

    return Plan(lambda stubs: stubs.synthesis.ListPriors, ListPriorsRequest(page_token=page_token), parse)


def prior_resource(prior: str | PriorInfo, *, field: str) -> str:
    """The prior's resource name. Raises InvalidArgument."""
    name = prior.name if isinstance(prior, PriorInfo) else check_text(field, prior, "UNKNOWN_PRIOR")
    return name if name.startswith("priors/") or not name else f"priors/{name}"


def _integer(field: str, value: int | None, *, bits: int = 32) -> int | None:
    return None if value is None else check_integer(field, value, bits=bits)


def _number(field: str, value: float | None) -> float | None:
    return None if value is None else check_finite(field, value)

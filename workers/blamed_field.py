"""Where in a request the engine's parameters stand."""

from collections.abc import Mapping
from typing import Any

from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.services.common.jobs.job import Lease
from convscope.services.common.jobs.kinds import TRAIN_PRIOR


def blamed_field(lease: Lease, field: str) -> str:
    """What of the request is to blame for what the engine says of `field`: parameters may be a message of their own."""
    spec: Mapping[str, Any] = lease.spec
    if lease.kind == TRAIN_PRIOR:
        known = {"pictures": "collection"} | {name: f"training.{name}" for name in TrainingParameters.model_fields}
        return known.get(field, field)
    return f"parameters.{field}" if "recipe" in spec and field in SynthesisParameters.model_fields else field

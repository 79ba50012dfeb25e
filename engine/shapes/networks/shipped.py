"""The networks that ship with convscope, and their weights."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from convscope.engine.shapes.networks.answerer import Answerer
from convscope.engine.shapes.networks.captioner import ShapesCaptioner
from convscope.engine.shapes.networks.classifier import Classifier

WEIGHTS = Path(__file__).with_name("weights")
NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "classifier": Classifier,
    "captioner": ShapesCaptioner,
    "answerer": Answerer,
}


def weights_file(name: str) -> Path:
    """Of one of NETWORKS."""
    return WEIGHTS / f"{name}.safetensors"

"""The networks with the weights that ship with convscope."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from convscope.engine.models.weights import load_weights
from convscope.engine.shapes.networks.answerer import Answerer
from convscope.engine.shapes.networks.captioner import ShapesCaptioner
from convscope.engine.shapes.networks.classifier import Classifier

WEIGHTS = Path(__file__).with_name("weights")
NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "classifier": Classifier,
    "captioner": ShapesCaptioner,
    "answerer": Answerer,
}


def load_network(name: str) -> nn.Module:
    """One of NETWORKS, trained, in evaluation mode. Raises KeyError, ModelUnloadable."""
    network = NETWORKS[name]()
    load_weights(network, weights_file(name))
    return network.eval()


def weights_file(name: str) -> Path:
    """Of one of NETWORKS."""
    return WEIGHTS / f"{name}.safetensors"

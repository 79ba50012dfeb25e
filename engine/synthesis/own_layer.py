"""A network's own layer where a paper names one of another network."""

from torch import nn

from convscope.engine.errors import MethodUnsupported
from convscope.engine.models.layers import Layer
from convscope.engine.models.model import Model
from convscope.engine.synthesis.paper_layers import PAPER_LAYERS

FEWEST = 6
"""Steps of depth that a network should be told by."""


def own_layer(model: Model, name: str) -> str:
    """`name` where the network has it; a name of PAPER_LAYERS: the network's layer that another paper names for that
    depth, or else its outer layer that is about as deep.

    Raises UnknownName with the nearest names, MethodUnsupported for a network without a layer that has a grid.
    """
    known = {layer.name for layer in model.layers.layers}
    if name not in PAPER_LAYERS or name in known:
        return model.layers.layer(name).name
    for other, depth in PAPER_LAYERS.items():
        if depth == PAPER_LAYERS[name] and other in known:
            return other
    outer = outer_layers(model)
    place = round(PAPER_LAYERS[name] * len(outer)) - 1
    return outer[max(0, place)].name


def outer_layers(model: Model) -> list[Layer]:
    """The layers with a grid that one would name to say how deep one is: blocks where there are any, else all but
    pooling; in the order of the pass. Raises MethodUnsupported where there is none."""
    spatial = [layer for layer in model.layers.layers if layer.spatial]
    if not spatial:
        raise MethodUnsupported("this network has no layer with a spatial output", field="layer")
    blocks = [layer for layer in spatial if is_block(model.module.get_submodule(layer.name))]
    others = [layer for layer in spatial if layer not in blocks]
    return _least_cut(blocks) or [layer for layer in others if "Pool" not in layer.type] or spatial


def is_block(module: nn.Module) -> bool:
    """Whether it is made of others, without weights of its own."""
    return any(True for _ in module.children()) and not any(True for _ in module.parameters(recurse=False))


def _least_cut(blocks: list[Layer]) -> list[Layer]:
    """Those that lie in no other or, where these are so few that they say little of depth, those one level further in;
    none where no level has enough."""
    outer = [one for one in blocks if not any(one.name.startswith(f"{other.name}.") for other in blocks)]
    inner = [one for one in blocks if one not in outer]
    return outer if len(outer) >= FEWEST or not outer else _least_cut(inner)

"""The layer of a network that dreams best, where nobody names one."""

from torch import nn

from convscope.engine.models.layers import Layer, LayerMap
from convscope.engine.synthesis.own_layer import is_block


def middle_layer(module: nn.Module, layers: LayerMap) -> str:
    """A layer in the middle of a network, by the following rule.

    Looked at are the blocks (modules made of others, without weights of their own; where there is none, as in VGG,
    everything but pooling) whose grid is twice as fine as that of the last layer with a grid. Of those the least nested
    ones count, and of them the middle one is taken. That is GoogLeNet's inception4c, with which the published code
    dreams, ResNet's layer3 and blocks.8 of EfficientNet-Lite0. Where nothing is twice as fine: the last layer itself.
    Raises MethodUnsupported for a network without any layer that has a grid.
    """
    last = layers.spatial(None)
    grid = layers.layer(last).grid
    finer = [layer for layer in layers.layers if grid and layer.grid and _twice(layer.grid, grid)]
    candidates = [layer for layer in finer if is_block(module.get_submodule(layer.name))]
    candidates = candidates or [layer for layer in finer if "Pool" not in layer.type]
    if not candidates:
        return last
    least = min(map(_depth, candidates))
    outer = [layer for layer in candidates if _depth(layer) == least]
    return outer[len(outer) // 2].name


def _twice(grid: tuple[int, int], coarse: tuple[int, int]) -> bool:
    return all(round(side / other) == 2 for side, other in zip(grid, coarse, strict=True))


def _depth(layer: Layer) -> int:
    return layer.name.count(".")

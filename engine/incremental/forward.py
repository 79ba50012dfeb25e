"""The incremental pass."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, fx, nn

from convscope.engine.incremental.groups import LARGEST, groups_of
from convscope.engine.incremental.network import Network, Step, run_undisturbed
from convscope.engine.incremental.region import Box, Integers, Region, Span
from convscope.engine.incremental.rules import Window
from convscope.engine.incremental.stack import Stack
from convscope.engine.memory import out_of_memory

# Once so much of a map changes, the whole map costs no more: padding is free, and nothing has to be cut.
MOST_OF_A_MAP = 0.9
# Relative to the largest score. Rounding stays a tenth of it; a step that was misunderstood does not.
TOLERANCE = {torch.bfloat16: 0.1}
TOLERANCE_OF_OTHERS = 1e-4
# What follows the parts runs on as many copies at once as have so many values, so that weights are read less often.
VALUES_AT_ONCE = 2**23

_proven: WeakKeyDictionary[nn.Module, dict[torch.Size, bool]] = WeakKeyDictionary()


class IncrementalForward:
    """The scores of copies of one picture with a patch laid over each, computed only where a copy differs.

    Exact to float rounding. Where a network cannot be taken apart (fx does not trace it, or the parts do not give
    its scores, which is tried once for each size of pictures), every copy is run in full.
    """

    scores: Tensor
    """[1, classes], of the undisturbed picture."""

    @torch.no_grad()
    def __init__(self, module: nn.Module, image: Tensor) -> None:
        """Run `image`, float [1, 3, H, W], through `module`, which is in eval mode, and keep the activations."""
        self._module = module
        self._image = image.clone(memory_format=torch.channels_last)
        self._network: Network | None = None
        proven = _proven.setdefault(module, {})
        if proven.get(image.shape, True):
            try:
                self._network = run_undisturbed(module, self._image)
                if image.shape not in proven:
                    proven[image.shape] = self._gives_the_scores_of_the_module()
            except Exception:  # a network's forward may raise anything that it does not raise in full passes
                proven[image.shape] = False
        if not proven[image.shape]:
            self._network = None
        self.scores = module(self._image.clone()) if self._network is None else self._network.scores

    @property
    def incremental(self) -> bool:
        """Whether less than full passes is computed."""
        return self._network is not None

    @torch.no_grad()
    def patched(
        self,
        patches: Tensor,
        tops: Sequence[int],
        lefts: Sequence[int],
        progress: Callable[[int], None] = lambda done: None,
    ) -> Tensor:
        """The scores, [K, classes], of K copies with patches, [K, 3, h, w], laid over at rows `tops`, columns `lefts`.

        All inside the picture. Copies are sorted into groups that are computed together, so it is faster to hand
        over all at once; it takes memory for one group at a time, except for what follows the last spatial layer.
        progress: told how many copies are done, before each group; what it raises ends the call.
        """
        if len(patches) == 0:
            return self.scores[:0]
        box = Box(np.array(tops, dtype=np.int64), np.array(lefts, dtype=np.int64), *patches.shape[-2:])
        if self._network is None:
            return self._in_full(patches, box, progress)
        region = Region(Span(box.tops, box.tops + box.height), Span(box.lefts, box.lefts + box.width))
        regions, costly = _regions(self._network, region)
        groups = groups_of(costly)
        waiting = groups[::-1]
        done: list[Integers] = []
        outputs: list[Tensor] = []
        while waiting:
            progress(sum(map(len, outputs)))
            members = waiting.pop()
            try:
                outputs.append(self._part(self._network, patches, box, regions, members))
            except (RuntimeError, MemoryError) as error:
                if len(members) == 1 or not out_of_memory(error):
                    raise
                waiting += np.array_split(members, 2)
            else:
                done.append(members)
        order = torch.from_numpy(np.argsort(np.concatenate(done))).to(patches.device)
        bridge = torch.cat(outputs).index_select(0, order)
        at_once = max(LARGEST, VALUES_AT_ONCE // bridge[0].numel())
        return torch.cat([self._rest(self._network, part) for part in torch.split(bridge, at_once)])

    def _part(
        self, network: Network, patches: Tensor, box: Box, regions: dict[fx.Node, Region], members: Integers
    ) -> Tensor:
        """The value of the bridge for some of the copies."""
        values: dict[fx.Node, Any] = {}
        values[network.image] = Stack(
            patches[torch.from_numpy(members).to(patches.device)].contiguous(memory_format=torch.channels_last),
            Box(box.tops[members], box.lefts[members], box.height, box.width),
            network.shapes[network.image],
            network.bases.get(network.image),
        )
        for step in network.parts:
            region = regions.get(step.node)
            values[step.node] = _run(step, values, network, None if region is None else region.of(members))
            for node in step.done:
                del values[node]
        bridge = values[network.bridge]
        whole: Tensor = bridge.whole() if isinstance(bridge, Stack) else bridge
        return whole

    def _rest(self, network: Network, bridge: Tensor) -> Tensor:
        values: dict[fx.Node, Any] = {network.bridge: bridge}
        for step in network.rest:
            values[step.node] = _run(step, values, network, None)
            for node in step.done:
                del values[node]
        scores: Tensor = values[network.output]
        return scores

    def _in_full(self, patches: Tensor, box: Box, progress: Callable[[int], None] = lambda done: None) -> Tensor:
        scores = []
        for first in range(0, len(patches), LARGEST):
            progress(first)
            some = slice(first, first + LARGEST)
            places = list(zip(box.tops[some].tolist(), box.lefts[some].tolist(), strict=True))
            scores.append(self._module(patched_copies(self._image, patches[some], places)))
        return torch.cat(scores)

    def _gives_the_scores_of_the_module(self) -> bool:
        """Whether the steps give what the module gives, for the picture and two disturbed copies."""
        height, width = self._image.shape[-2:]
        size = (max(height // 3, 1), max(width // 3, 1))
        patches = self._image.flip(2, 3)[:, :, : size[0], : size[1]].repeat(2, 1, 1, 1)
        tops, lefts = [0, (height - size[0]) // 2], [0, width - size[1]]
        box = Box(np.array(tops), np.array(lefts), *size)
        assert self._network is not None
        found = torch.cat([self._network.scores, self.patched(patches, tops, lefts)])
        expected = torch.cat([self._module(self._image.clone()), self._in_full(patches, box)])
        precision = next((weight.dtype for weight in self._module.parameters()), self._image.dtype)
        tolerance = TOLERANCE.get(precision, TOLERANCE_OF_OTHERS)
        return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def patched_copies(image: Tensor, patches: Tensor, places: Sequence[tuple[int, int]]) -> Tensor:
    """Whole copies of a picture [1, 3, H, W], each with a patch of [K, 3, h, w] laid over it at its row and column."""
    copies = image.repeat(len(patches), 1, 1, 1).contiguous(memory_format=torch.channels_last)
    for copy, patch, (top, left) in zip(copies, patches, places, strict=True):
        copy[:, top : top + patch.shape[1], left : left + patch.shape[2]] = patch
    return copies


def _regions(network: Network, region: Region) -> tuple[dict[fx.Node, Region], list[tuple[Region, float]]]:
    """What changes in every value that can be held in parts; and for the costly steps, with their work a pixel."""
    regions = {network.image: region}
    costly = [(region, 1.0)]
    for step in network.parts:
        if step.rule is None or any(given not in regions for given in step.inputs):
            continue
        changed = reduce(Region.union, (regions[given] for given in step.inputs))
        if isinstance(step.rule, Window):
            changed = step.rule.region(changed)
            costly.append((changed, step.rule.work))
        regions[step.node] = changed
    return regions, costly


def _run(step: Step, values: dict[fx.Node, Any], network: Network, region: Region | None) -> Any:
    """The value of a step: a Stack where its rule and its inputs allow, else whole maps of all copies."""

    def value(node: fx.Node) -> Any:
        return network.constants[node] if node in network.constants else values[node]

    inputs = [values[node] for node in step.inputs]
    if step.asks_for_shape and isinstance(inputs[0], Stack):
        shape = (len(inputs[0].values), *inputs[0].shape[1:])
        return step.run(lambda _: torch.empty(shape, device="meta"))
    if region is not None and all(isinstance(given, Stack) for given in inputs):
        shape, base = network.shapes[step.node], network.bases.get(step.node)
        box = region.box(*shape[-2:])
        if not isinstance(step.rule, Window):
            parts = {node: values[node].cut(box) for node in step.inputs}
            return Stack(step.run(lambda node: parts[node] if node in parts else value(node)), box, shape, base)
        if step.rule.is_point(inputs[0].shape) or box.height * box.width <= MOST_OF_A_MAP * shape[-2] * shape[-1]:
            return Stack(step.rule.on(inputs[0].cut(step.rule.inputs(box), step.rule.fill), box), box, shape, base)
    for node, given in zip(step.inputs, inputs, strict=True):
        if isinstance(given, Stack):
            values[node] = given.whole()
    return step.run(value)

"""Batch norm folded into the convolution before it: one round through memory fewer, the same scores."""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from convscope.engine.models.tracing import ThreadTracer


@dataclass(frozen=True, eq=False)
class Folded:
    """A network whose convolutions do the work of the batch norms behind them."""

    module: nn.Module
    """The original itself where nothing was folded."""
    changed: frozenset[str]
    """The layers that give another output than in the original: that of the batch norm."""


def fold_batch_norm(module: nn.Module) -> Folded:
    """A copy in which every batch norm that alone uses a convolution's output is an nn.Identity.

        norm(conv(x; W, b)) = conv(x; f W, f (b - mean) + shift)   with   f = scale / sqrt(variance + eps)

    All names stay, the network's own forward runs, and what is not folded shares its tensors with the original. The
    network itself comes back where there is nothing to fold, where torch.fx cannot follow its forward, and where it
    has hooks, which may do anything to what passes.
    """
    try:
        return _fold(module)
    except Exception:  # a team's forward may raise anything when it gets symbols for tensors
        return Folded(module, frozenset())


def sharing(module: nn.Module) -> dict[int, Any]:
    """A memo with which deepcopy() copies modules, but no parameter and no buffer."""
    return {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())}


def _fold(module: nn.Module) -> Folded:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(vars(part)[kind] for part in module.modules() for kind in hooks):
        return Folded(module, frozenset())
    original = _Pass(module)
    memo = sharing(module)
    folded = set()
    for node, norm_node in original.pairs():
        convolution, norm = (module.get_submodule(_name(part.target)) for part in (node, norm_node))
        if _has_weight(convolution) and _has_statistics(norm):
            merged = _merge(convolution, norm)
            if _Pass(merged).is_bare_convolution():
                # The network may hold a part in several places, also in a list: the memo replaces it in all of them.
                memo |= {id(convolution): merged, id(norm): nn.Identity().eval()}
                folded.add(node)
    copy = deepcopy(module, memo)
    # A forward may look at a batch norm in other ways than to run it.
    if not folded or _Pass(copy).steps() != original.steps():
        return Folded(module, frozenset())
    return Folded(copy, frozenset(name for name, node in original.outputs if node in folded))


def _has_weight(convolution: nn.Module) -> bool:
    """Whether the weight is a plain parameter: not computed (parametrized), quantised or lazy."""
    weight = convolution._parameters.get("weight")
    return type(weight) is nn.Parameter and weight.is_floating_point() and "bias" in convolution._parameters


def _has_statistics(norm: nn.Module) -> bool:
    """Whether it normalises by its running statistics, as nn.BatchNorm2d does."""
    plain = type(norm) is nn.BatchNorm2d and "forward" not in vars(norm)
    return plain and not norm.training and norm.running_mean is not None and norm.running_var is not None


def _merge(convolution: Any, norm: Any) -> nn.Module:
    def exact(tensor: torch.Tensor | None, default: float) -> torch.Tensor:
        # Not every device has float64.
        return torch.tensor(default).double() if tensor is None else tensor.detach().to("cpu", torch.float64)

    factor = exact(norm.weight, 1) * (exact(norm.running_var, 1) + norm.eps).rsqrt()
    weight = exact(convolution.weight, 1) * factor.view(-1, 1, 1, 1)
    bias = (exact(convolution.bias, 0) - exact(norm.running_mean, 0)) * factor + exact(norm.bias, 0)
    merged: nn.Module = deepcopy(convolution, sharing(convolution))
    merged.weight = nn.Parameter(weight.to(convolution.weight), requires_grad=False)
    merged.bias = nn.Parameter(bias.to(convolution.weight), requires_grad=False)
    return merged


def _name(path: Any) -> str:
    """Of a part in its network, where the path begins with the container around that."""
    return str(path).removeprefix("0.")


class _Pass(ThreadTracer):
    """A symbolic pass through a network, in which convolutions and batch norms are single steps."""

    proxy_buffer_attributes = True  # makes a step of the use of a running mean

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.outputs: list[tuple[str, fx.Node]] = []
        """Name and output of every part that ran and gave one tensor."""
        # A forward may keep in its module what passes: let it be a copy's. From a container it gets the images only,
        # so that its optional arguments have their defaults.
        self._root = nn.Sequential(deepcopy(network, sharing(network)))
        self.graph = self.trace_alone(self._root)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = isinstance(m, (nn.Conv2d, nn.BatchNorm2d)) or super().is_leaf_module(m, module_qualified_name)
        return leaf and module_qualified_name != "0"

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        if isinstance(output, fx.Proxy):
            self.outputs.append((_name(self.path_of_module(m)), output.node))
        return output

    def steps(self) -> list[tuple[object, ...]]:
        return [(node.op, node.target, *map(str, node.all_input_nodes)) for node in self.graph.nodes]

    def pairs(self) -> Iterator[tuple[fx.Node, fx.Node]]:
        """Steps of a convolution and of the batch norm that alone uses its output.

        Either module runs once, and nobody else uses their tensors.
        """
        parts = {node: self._at(node.target) for node in self.graph.nodes if node.op == "call_module"}
        runs = Counter(part for called in parts.values() for part in called.modules())
        used = {id(self._at(node.target)) for node in self.graph.nodes if node.op == "get_attr"}

        def alone(node: fx.Node, kind: type[nn.Module]) -> bool:
            part = parts.get(node)
            return (
                isinstance(part, kind)
                and runs[part] == 1
                and len(node.args) + len(node.kwargs) == len(node.all_input_nodes) == 1
                and used.isdisjoint(sharing(part))
            )

        for norm in parts:
            if alone(norm, nn.BatchNorm2d):
                convolution = norm.all_input_nodes[0]
                if alone(convolution, nn.Conv2d) and list(convolution.users) == [norm]:
                    yield convolution, norm

    def is_bare_convolution(self) -> bool:
        """Whether it ends with F.conv2d by its weight and bias, which it uses for nothing else."""
        *_, last, output = self.graph.nodes
        read = {node.target: node for node in self.graph.nodes if node.op == "get_attr"}
        return (
            last.target is F.conv2d
            and output.args == (last,)
            and set(read) == {"0.weight", "0.bias"}
            and last.args[1:3] == (read["0.weight"], read["0.bias"])
            and all(list(node.users) == [last] for node in read.values())
        )

    def _at(self, name: Any) -> Any:
        return attrgetter(name)(self._root)

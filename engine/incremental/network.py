"""A network as a list of steps, and what they computed from the undisturbed picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn

from convscope.engine.incremental.rules import Pixelwise, Rule, Window, rule_for
from convscope.engine.models.tracing import ThreadTracer


@dataclass(frozen=True)
class Step:
    """An operation that depends on the picture."""

    node: fx.Node
    called: Any
    """A module, a function, or the name of a method."""
    inputs: tuple[fx.Node, ...]
    """The inputs that depend on the picture."""
    rule: Rule
    done: tuple[fx.Node, ...]
    """The values that nobody needs after it."""

    @property
    def asks_for_shape(self) -> bool:
        """Whether it needs nothing but the shape of its input."""
        return self.called in ("size", "dim") or (self.called is getattr and self.node.args[1:] == ("shape",))

    def run(self, value: Callable[[fx.Node], Any]) -> Any:
        """Run it as the network does, on these values of its inputs."""
        return call(self.node, self.called, value)


def call(node: fx.Node, called: Any, value: Callable[[fx.Node], Any]) -> Any:
    arguments, options = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
    if isinstance(called, str):
        return getattr(arguments[0], called)(*arguments[1:], **options)
    return called(*arguments, **options)


@dataclass(frozen=True)
class Network:
    """A network, undisturbed."""

    image: fx.Node
    parts: list[Step]
    """The steps, in order, until none has a rule any more."""
    bridge: fx.Node
    """The one value that is needed after these."""
    rest: list[Step]
    """The steps after these."""
    output: fx.Node
    constants: dict[fx.Node, Any]
    """Values that do not depend on the picture."""
    shapes: dict[fx.Node, torch.Size]
    """Of the values that can be held in parts: [1, ..., H, W]."""
    bases: dict[fx.Node, Tensor]
    """Those of these values, undisturbed and channels last, of which a step needs more than the changed part."""
    scores: Tensor
    """[1, classes]."""


_graphs: WeakKeyDictionary[nn.Module, fx.Graph] = WeakKeyDictionary()


def graph_of(module: nn.Module) -> fx.Graph:
    """The operations of a network, traced once. Raises whatever its code raises when it is traced."""
    graph = _graphs.get(module)
    if graph is None:
        graph = _graphs[module] = ThreadTracer().trace_alone(module)
    return graph


def run_undisturbed(module: nn.Module, image: Tensor) -> Network:
    """Run a picture, [1, 3, H, W], and keep what is needed to run parts of it.

    Raises what tracing and the network's own operations raise.
    """
    *nodes, end = graph_of(module).nodes
    (output,) = end.all_input_nodes
    start = next(node for node in nodes if node.op == "placeholder")
    last_use = {given: node for node in [*nodes, end] for given in node.all_input_nodes}
    values: dict[fx.Node, Any] = {start: image.clone()}  # a network may write into its input
    constants: dict[fx.Node, Any] = {}
    shapes: dict[fx.Node, torch.Size] = {start: image.shape}
    bases: dict[fx.Node, Tensor] = {}
    steps: list[Step] = []

    def value(node: fx.Node) -> Any:
        return constants[node] if node in constants else values[node]

    for node in nodes:
        if node is start:
            continue
        inputs = tuple(given for given in node.all_input_nodes if given in values)
        if not inputs:
            constants[node] = _constant(module, node, value)
            continue
        called = module.get_submodule(str(node.target)) if node.op == "call_module" else node.target
        partial = [given for given in inputs if given in shapes]
        # This operation or a later one may write into its input.
        touched = {given for given in partial if len(inputs) > 1 or last_use[given] is not node} - bases.keys()
        kept = {given: values[given].clone() if given in touched else values[given] for given in partial}
        values[node] = call(node, called, value)
        rule = rule_for(node, called, value, inputs, values[node]) if len(partial) == len(inputs) else None
        step = Step(node, called, inputs, rule, tuple(given for given in inputs if last_use[given] is node))
        if rule:
            shapes[node] = values[node].shape
        alone = isinstance(rule, Pixelwise) and len(inputs) == 1
        if not (alone or (isinstance(rule, Window) and rule.is_point(shapes[inputs[0]])) or step.asks_for_shape):
            for given in partial:
                bases.setdefault(given, _channels_last(kept[given]))
        steps.append(step)
        for given in step.done:
            del values[given]
    joint, bridge = _joint(steps, start, output)
    return Network(start, steps[:joint], bridge, steps[joint:], output, constants, shapes, bases, scores=values[output])


def _constant(module: nn.Module, node: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
    if node.op == "placeholder":
        return node.args[0]  # its default
    if node.op == "get_attr":
        found: Any = module
        for name in str(node.target).split("."):
            found = getattr(found, name)
        return found
    return call(node, module.get_submodule(str(node.target)) if node.op == "call_module" else node.target, value)


def _channels_last(values: Tensor) -> Tensor:
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values


def _joint(steps: list[Step], start: fx.Node, output: fx.Node) -> tuple[int, fx.Node]:
    """From which step on there is no rule and the past is needed for one value only; and that value."""
    first = max((number for number, step in enumerate(steps, 1) if step.rule), default=0)
    alive = {start}
    for number, step in enumerate(steps, 1):
        alive = (alive - set(step.done)) | {step.node}
        if number >= first and len(alive) == 1:
            return number, step.node
    return len(steps), output

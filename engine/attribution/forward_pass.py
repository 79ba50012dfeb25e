"""One forward pass, and the gradients that are asked of it."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from convscope.engine.attribution.backward_rule import BackwardRule, ReluRule
from convscope.engine.attribution.fixed_norm import FixedNorm
from convscope.engine.attribution.target import Targets
from convscope.engine.errors import MethodUnsupported
from convscope.engine.models.layers import LayerMap, fold_grid

PIXELS = ""
"""The network's input, where a layer's name could stand."""


class ForwardPass:
    """Runs a batch once. A graph is built from the first thing on whose gradient is wanted, none before it.

        images ── no graph ── layer ─┬─ activation (leaf, requires a gradient)
                                     └─ clone ── graph ── scores

    Layers hand on a clone, so that an activation stays what it was where an in-place operation follows (DenseNet's
    last norm). Of a layer that runs several times the last run counts. The module is as before afterwards.
    """

    def __init__(
        self,
        module: nn.Module,
        images: Tensor,
        layers: LayerMap,
        *,
        differentiate: Collection[str] = (),
        observe: Collection[str] = (),
        rule: BackwardRule | None = None,
        attention: bool = False,
        kept: bool = False,
    ) -> None:
        """differentiate: PIXELS, names of layers. observe: layers without a gradient. attention: keep the weights of
        every nn.MultiheadAttention. kept: gradients for several targets will be asked for."""
        self._layers = layers
        self._kept = kept
        self._outputs: dict[str, Tensor] = {}
        self._gradients: dict[Targets, dict[str, Tensor | None]] = {}
        self.attentions: list[Tensor] = []
        """[N, heads, tokens, tokens] of each attention, in the order of the pass."""
        if PIXELS in differentiate:
            images = self._outputs[PIXELS] = images.detach().requires_grad_()
        self._differentiate = tuple(differentiate)
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(PIXELS in differentiate))
            if PIXELS in differentiate:
                stack.enter_context(FixedNorm())
            for name in {*differentiate, *observe} - {PIXELS}:
                stack.enter_context(self._watch(module, name, cut=name in differentiate))
            if attention:
                stack.enter_context(_attention_weights(module, self.attentions))
            if rule is not None:
                stack.enter_context(ReluRule(rule))
            self._scores = module(images.clone() if layers.writes_to_images else images)
        self.scores = self._scores.detach()
        """[N, classes], before the softmax."""

    def values(self, targets: Targets) -> Tensor:
        """What the targets are, for each image: [N]."""
        return self._values(targets).detach()

    def activation(self, layer: str) -> Tensor:
        """The output of a layer, [N, channels, height, width] where it has a grid."""
        return _wide(fold_grid(self._outputs[layer].detach(), self._layers.layer(layer)))

    def gradient(self, targets: Targets, of: str) -> Tensor:
        """The gradient of what is explained by the pixels, or by the output of a layer, in its shape.

        Raises MethodUnsupported where it does not depend on that.
        """
        if targets not in self._gradients:
            value = self._values(targets)
            sources = [self._outputs[name] for name in self._differentiate]
            found: Any = [None] * len(sources)
            if value.requires_grad:
                # Each image's value depends on its own pixels only, so that the sum has every image's gradient.
                found = torch.autograd.grad(value.sum(), sources, allow_unused=True, retain_graph=self._kept)
            self._gradients[targets] = dict(zip(self._differentiate, found, strict=True))
        gradient = self._gradients[targets][of]
        if gradient is None:
            explained = f"the layer {targets.layer!r} does" if targets.layer else "the scores do"
            source = f"the layer {of!r}" if of else "the pixels"
            hint = "; name a layer that comes before" if of else ""
            raise MethodUnsupported(f"{explained} not depend on {source}{hint}", field="layer" if of else "targets")
        return gradient if of == PIXELS else _wide(fold_grid(gradient, self._layers.layer(of)))

    def _values(self, targets: Targets) -> Tensor:
        if targets.layer is None:
            return targets.values(self._scores)
        unit = fold_grid(self._outputs[targets.layer], self._layers.layer(targets.layer))
        return targets.values(self._scores, _wide(unit))

    @contextmanager
    def _watch(self, module: nn.Module, name: str, *, cut: bool) -> Iterator[None]:
        def watch(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            if cut and not (torch.is_grad_enabled() and output.requires_grad):
                output = output.detach().requires_grad_()
                torch.set_grad_enabled(True)
            self._outputs[name] = output
            return output.clone()

        handle = module.get_submodule(name).register_forward_hook(watch)
        try:
            yield
        finally:
            handle.remove()


def _wide(tensor: Tensor) -> Tensor:
    """In float32 at least: sums of many numbers lose too much in bfloat16."""
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor


# query, key, value and those that a caller may give by position or by name.
_ATTENTION_ARGUMENTS = tuple(signature(nn.MultiheadAttention.forward).parameters)[1:]


@contextmanager
def _attention_weights(module: nn.Module, weights: list[Tensor]) -> Iterator[None]:
    """Have every nn.MultiheadAttention give its weights, head by head, whatever its caller asks for."""

    def ask(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        by_name = dict(zip(_ATTENTION_ARGUMENTS[3:], args[3:], strict=False))
        return args[:3], by_name | kwargs | {"need_weights": True, "average_attn_weights": False}

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        weights.append(output[1].detach())

    handles = []
    for part in module.modules():
        if isinstance(part, nn.MultiheadAttention):
            handles += [part.register_forward_pre_hook(ask, with_kwargs=True), part.register_forward_hook(keep)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

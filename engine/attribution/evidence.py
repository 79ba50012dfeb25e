"""What forward and backward passes show, each run once for all who ask."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto

from torch import Tensor

from convscope.engine.attribution.backward_rule import BackwardRule, deconvnet_rule, guided_rule
from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.forward_pass import PIXELS, ForwardPass
from convscope.engine.attribution.target import Targets


class Need(Enum):
    """What a method looks at."""

    GRADIENT = auto()
    """By the pixels."""
    DECONVNET = auto()
    """By the pixels, with deconvnet's rule at ReLUs."""
    GUIDED = auto()
    """By the pixels, with guided backprop's rule at ReLUs."""
    ACTIVATION = auto()
    """The output of a layer."""
    LAYER_GRADIENT = auto()
    """The output of a layer, and the gradient by it."""
    ATTENTION = auto()
    """The weights of every attention."""

    @property
    def rule(self) -> BackwardRule | None:
        """The backward rule of ReLUs in the pass that shows it; None: the ordinary one."""
        return _RULES.get(self)

    @property
    def of_layer(self) -> bool:
        return self in (Need.ACTIVATION, Need.LAYER_GRADIENT)


_RULES: Mapping[Need, BackwardRule] = {Need.DECONVNET: deconvnet_rule, Need.GUIDED: guided_rule}


class Passes:
    """The passes over one batch that some explanations need: one for each backward rule, run when first asked."""

    def __init__(self, batch: Batch, needs: Collection[tuple[Need, str]], targets: Collection[Targets]) -> None:
        """needs: each with its layer, "" where it is of none. targets: all that gradients will be asked for."""
        self.batch = batch
        self._needs = needs
        self._targets = targets
        self._runs: dict[BackwardRule | None, ForwardPass] = {}

    def pass_with(self, rule: BackwardRule | None) -> ForwardPass:
        """The pass whose ReLUs have that rule."""
        if rule not in self._runs:
            needs = [(need, layer) for need, layer in self._needs if need.rule is rule]
            layers = [layer for need, layer in needs if need is Need.LAYER_GRADIENT]
            pixels = any(not need.of_layer and need is not Need.ATTENTION for need, _ in needs)
            observed = [layer for need, layer in needs if need.of_layer]
            self._runs[rule] = ForwardPass(
                self.batch.module,
                self.batch.images,
                self.batch.layers,
                differentiate=[*([PIXELS] if pixels else []), *dict.fromkeys(layers)],
                observe=[*observed, *(targets.layer for targets in self._targets if targets.layer)],
                rule=rule,
                attention=any(need is Need.ATTENTION for need, _ in needs),
                kept=len(set(self._targets)) > 1,
            )
        return self._runs[rule]

    @property
    def any_pass(self) -> ForwardPass:
        """One that is needed anyway: a backward rule changes no score."""
        rules = [need.rule for need, _ in self._needs]
        return self.pass_with(None if None in rules else rules[0])


class Evidence:
    """What one method may look at, of one batch for one kind of targets."""

    def __init__(self, passes: Passes, targets: Targets, layer: str) -> None:
        """layer: the one to look at; empty for none."""
        self._passes = passes
        self._targets = targets
        self.layer = layer

    @property
    def images(self) -> Tensor:
        """[N, 3, H, W], preprocessed."""
        return self._passes.batch.images

    @property
    def gradient(self) -> Tensor:
        """By the pixels, [N, 3, H, W]."""
        return self._pixels(Need.GRADIENT)

    @property
    def deconvnet(self) -> Tensor:
        """The gradient by the pixels with deconvnet's rule, [N, 3, H, W]."""
        return self._pixels(Need.DECONVNET)

    @property
    def guided(self) -> Tensor:
        """The gradient by the pixels with guided backprop's rule, [N, 3, H, W]."""
        return self._pixels(Need.GUIDED)

    @property
    def activation(self) -> Tensor:
        """The layer's output, [N, channels, h, w]."""
        return self._passes.pass_with(None).activation(self.layer)

    @property
    def layer_gradient(self) -> Tensor:
        """By the layer's output, [N, channels, h, w]."""
        return self._passes.pass_with(None).gradient(self._targets, self.layer)

    @property
    def attentions(self) -> Sequence[Tensor]:
        """The weights of each attention in the order of the pass, [N, heads, tokens, tokens]."""
        return self._passes.pass_with(None).attentions

    def token_grid(self, tokens: int) -> tuple[int, int] | None:
        """The grid that with a class token makes `tokens`; None where no layer has one."""
        for layer in self._passes.batch.layers.layers:
            if layer.grid and layer.grid[0] * layer.grid[1] == tokens - 1:
                return layer.grid
        return None

    def _pixels(self, need: Need) -> Tensor:
        return self._passes.pass_with(need.rule).gradient(self._targets, PIXELS)
